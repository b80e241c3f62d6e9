// The Godra SDK. Knows the protocol (sdk/PROTOCOL.md) and nothing about any game. Without dependencies; for browsers, Node and others.
//
//   client.js      what games make: rooms, calls, the session
//     auth.js        logins, device.js → session.js (tokens, refresh) → session-store.js (where they are kept)
//     http.js        JSON over HTTP
//     compat.js      the calls before there were rooms
//   room.js        one lobby: what the game sees, and what messages do to that. Start reading here
//     connection.js  the life of its connection → attempts.js, backoff.js (delays), heartbeat.js, wake.js
//     attempt.js     one connection, from the token on → link.js (one WebSocket), refusal.js (why there was no welcome)
//     message.js     text ↔ messages of the right shape
//     replica.js     the state → position.js (which events are in it)
//     inputs.js      what goes out → pending.js, outbox.js (exactly once), latest.js (newest wins), clock.js (round trips)
//     listeners.js   who hears what → emitter.js
//
// The modules of a room have no socket, no clock and no chance of their own: client.js gives them those, and testing.js others.

export { GodraClient } from "./client.js";
export { newDevice } from "./device.js";
export { GodraError } from "./errors.js";
export { Room } from "./room.js";
export { localStorageStore, memoryStore } from "./session-store.js";
