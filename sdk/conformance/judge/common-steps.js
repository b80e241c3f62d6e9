// Steps that concern both sides, and those that stand for several.

import { matches } from "./match.js";
import { PATIENCE_MS } from "./stage.js";

/** `play(step)` plays another step. */
export const commonSteps = {
  /** {"quiet": ms, "passing": [{…}]}: for so long nothing is seen (but for what may be), called, connected or sent. */
  async quiet(stage, step) {
    const { server } = stage;
    const calls = server.calls.length;
    await new Promise((resolve) => setTimeout(resolve, step.quiet));
    for (const { client, seen } of stage.clients) {
      const [odd] = seen.waiting.filter((report) => !step.passing?.some((one) => matches(report, one)));
      if (odd) throw new Error(`not quiet: ${client} sees ${JSON.stringify(odd)}`);
    }
    if (server.attempts.waiting.length > 0) throw new Error("not quiet: an attempt to connect");
    const call = server.calls[calls];
    if (call) throw new Error(`not quiet: a call of ${call.method} ${call.path}`);
    for (const peer of new Set(stage.peers.values())) {
      if (peer.messages.waiting.length > 0) throw new Error(`not quiet: the message ${peer.messages.waiting[0].text}`);
    }
  },

  /** {"pause": ms}: for scenarios about times; all others wait for what is to happen. */
  async pause(_, step) {
    await new Promise((resolve) => setTimeout(resolve, step.pause));
  },

  /** {"join": ROOM, "welcome": {…}, "as": PEER, "client": …}: logged in, connected, welcomed, and seen to be. */
  async join(stage, { join: room, welcome = {}, as, client = "c", heartbeats, upgrade = {} }, play) {
    if (!stage.loggedIn.has(client)) await play({ do: "guest_login", client });
    const command = `join ${client} ${room}`;
    await play({ do: "connect", room, client, as: command });
    await play({ accept: { query: { game_id: room.replace(/^game:/, "") }, ...upgrade }, as, heartbeats });
    await play({ welcome });
    await play({ returns: command });
    await play({ sees: { event: "connected" }, client });
  },

  /** {"back": {…}, "upgrade": {…}, "after": …}: an attempt to come back is accepted and welcomed, and seen to be. */
  async back(stage, { back: welcome, upgrade = {}, as, client, after, heartbeats, passing, within = PATIENCE_MS }, play) {
    await play({ accept: upgrade, as, after, heartbeats, within });
    await play({ welcome });
    await play({ sees: { event: "connected" }, client, passing });
  },

  /** {"lost": {"code": …}, "attempt": n}: seen to be lost, and to be on the way back. */
  async lost(stage, { lost, attempt = 1, client, passing }, play) {
    await play({ sees: { event: "disconnected", will_reconnect: true, ...lost }, client, passing });
    await play({ sees: { event: "reconnecting", attempt }, client });
  },

  /** {"left": {"code": …}, "passing": [{…}]}: seen to be over. */
  async left(stage, { left, client, passing }, play) {
    await play({ sees: { event: "disconnected", will_reconnect: false, ...left }, client, passing });
  },

  /** {"repeat": n, "steps": […]}: `$i` in the steps is 0, 1, 2 … */
  async repeat(stage, { repeat, steps }, play) {
    for (let index = 0; index < repeat; index += 1) {
      const text = JSON.stringify(steps).replaceAll('"$i"', `${index}`).replaceAll("$i", `${index}`);
      for (const step of JSON.parse(text)) await play(step);
    }
  },

  /** {"exit": 0}: the driver's program ends by itself. */
  async exit(stage, step) {
    const how = await stage.driver.exit(step.within);
    if (how !== "ended with code 0") throw new Error(`the driver ${how}\n${stage.driver.output}`);
  },
};
