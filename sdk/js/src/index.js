// The Godra SDK. Knows the protocol (sdk/PROTOCOL.md) and nothing about any game. Without dependencies; for browsers, Node and others.

export { GodraClient } from "./client.js";
export { GodraError } from "./errors.js";
export { Room } from "./room.js";
export { localStorageStore, memoryStore } from "./session-store.js";
