// Steps of the scripted server on connections that it has accepted.

import { TEXT, frame } from "./frames.js";
import { match, matches } from "./match.js";
import { PATIENCE_MS } from "./stage.js";

export const serverSteps = {
  /** {"welcome": {…}}: with what every welcome has, where it is not said otherwise. */
  async welcome(stage, step) {
    const peer = stage.peer(step.peer);
    const rest = { epoch: "e1", seq: 0, n: 0, recovered: false, state: {}, sync_interval_ms: 50, now: Date.now() };
    const payload = { ...peer.owner, game_id: peer.room, ...rest, ...step.welcome };
    peer.send({ type: "welcome", payload });
  },

  async send(stage, step) {
    stage.peer(step.peer).send(step.send);
  },

  async send_text(stage, step) {
    stage.peer(step.peer).sendText(step.send_text);
  },

  /** {"send_frame": {"opcode": 2, "text" | "hex": …}} */
  async send_frame(stage, { send_frame: { opcode, text, hex }, peer }) {
    stage.peer(peer).sendFrame(opcode, text === undefined ? Buffer.from(hex, "hex") : Buffer.from(text));
  },

  /** {"send_fragments": TEXT, "count": n, "pings": true}: one message in so many frames, with pings between them. */
  async send_fragments(stage, step) {
    stage.peer(step.peer).sendFragments(step.send_fragments, step.count, step.pings);
  },

  /** {"send_slowly": TEXT}: one frame, byte by byte. */
  async send_slowly(stage, step) {
    for (const byte of frame(TEXT, Buffer.from(step.send_slowly))) {
      stage.peer(step.peer).sendRaw(Buffer.from([byte]));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },

  /** {"send_raw": HEX}: these bytes, whatever they are. */
  async send_raw(stage, step) {
    stage.peer(step.peer).sendRaw(Buffer.from(step.send_raw, "hex"));
  },

  /** {"pongs": n}: so many pongs come from the client. */
  async pongs(stage, step) {
    const { peer, within = PATIENCE_MS } = step;
    for (let index = 0; index < step.pongs; index += 1) await stage.peer(peer).pongs.take(within, `pong ${index + 1} of ${step.pongs}`);
  },

  /** {"send_events": {"type", "count", "seq"}}: so many, one by one, with the payloads 0, 1, 2 … */
  async send_events(stage, { send_events: { type, count, seq }, peer }) {
    for (let index = 0; index < count; index += 1) stage.peer(peer).send({ type, payload: index, seq: seq + index });
  },

  /** {"expect": {…}, "as": NAME}: the client's next message; the latest one is what `reply` and `fail` answer. */
  async expect(stage, step) {
    const { text, json, broken } = await stage.peer(step.peer).messages.take(step.within ?? PATIENCE_MS, "message of the client");
    if (broken) throw new Error(`the client sent ${broken}: ${text}`);
    match(json, step.expect, "the message");
    stage.names.set("last", json);
    if (step.as) stage.names.set(step.as, json);
  },

  /** {"reply": RESULT, "to": NAME} */
  async reply(stage, step) {
    stage.peer(step.peer).send({ type: "reply", id: asked(stage, step).id, result: step.reply });
  },

  /** {"fail": {"code", "message", "details"}, "to": NAME} */
  async fail(stage, step) {
    const { id, n } = asked(stage, step);
    const head = { type: "error", ...(id === undefined ? {} : { id }), ...(n === undefined ? {} : { n }) };
    stage.peer(step.peer).send({ ...head, payload: step.fail });
  },

  /** {"echo": n, "order": "reversed", "from_n": 1}: so many inputs of the client's are answered with their payloads. */
  async echo(stage, { echo, order, from_n, peer, within = PATIENCE_MS }) {
    const asked = [];
    const answer = ({ id, payload }) => stage.peer(peer).send({ type: "reply", id, result: payload });
    for (let index = 0; index < echo; index += 1) {
      const { json } = await stage.peer(peer).messages.take(within, `message ${index} of ${echo}`);
      if (from_n !== undefined) match(json.n, from_n + index, `the n of message ${index}`);
      if (order === "reversed") asked.unshift(json);
      else answer(json);
    }
    asked.forEach(answer);
  },

  /** {"gathers": ms, "count": n, "last": {…}}: what the client sends up to such a message, and in that time after it. */
  async gathers(stage, { gathers, count, last, peer, within = PATIENCE_MS }) {
    const { messages } = stage.peer(peer);
    const all = [];
    while (last && !matches(all.at(-1), last)) all.push((await messages.take(within, `message like ${JSON.stringify(last)}`)).json);
    await new Promise((resolve) => setTimeout(resolve, gathers));
    all.push(...messages.drain().map(({ json }) => json));
    match(all.length, count, "the number of messages");
    if (last) match(all.at(-1), last, "the last message");
  },

  async close(stage, step) {
    stage.mark = performance.now();
    stage.peer(step.peer).close(...step.close);
  },

  async cut(stage, step) {
    stage.mark = performance.now();
    stage.peer(step.peer).cut();
  },

  /** {"freeze": true}: the connection goes dead, without a sign of it. */
  async freeze(stage, step) {
    stage.mark = performance.now();
    stage.peer(step.peer).freeze();
  },

  /** {"ends": {"code": 1000} | true}: the client ends the connection, with such a close frame, or in whatever way. */
  async ends(stage, step) {
    const within = step.within ?? PATIENCE_MS;
    const late = new Promise((resolve) => setTimeout(resolve, within, "late").unref());
    const end = await Promise.race([stage.peer(step.peer).ended, late]);
    if (end === "late") throw new Error(`the client has not ended the connection within ${within} ms`);
    if (step.ends !== true) match(end, step.ends, "the end");
  },
};

function asked(stage, { to = "last" }) {
  if (!stage.names.has(to)) throw new Error("no message of the client has been expected that this could answer");
  return stage.names.get(to);
}
