// The Godra SDK. Knows the protocol (sdk/PROTOCOL.md) and nothing about any game. Runs in browsers and in Node, without dependencies.

export { GodraClient } from "./client.js";
export { GodraError } from "./errors.js";
