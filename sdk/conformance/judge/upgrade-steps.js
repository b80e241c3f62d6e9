// Steps of the scripted server about who is let in, and about its own life.

import { match } from "./match.js";
import { PATIENCE_MS } from "./stage.js";
import { ownerOf } from "./values.js";

export const upgradeSteps = {
  /** {"accept": {"token": …, "query": …}, "with": {"protocol": null}, "as": PEER, "after": [ms, ms]} */
  async accept(stage, step) {
    const attempt = await nextAttempt(stage, step);
    match(attempt, step.accept, "the upgrade");
    const peer = attempt.accept(step.with);
    peer.room = attempt.query.game_id;
    peer.owner = ownerOf(attempt.token);
    peer.answersHeartbeats = step.heartbeats ?? false;
    stage.peers.set(null, peer);
    if (step.as) stage.peers.set(step.as, peer);
  },

  /** {"refuse": {"status", "code", "message", "details", "retry_after", "by": "http" | "close"}, "after": …, "accept": …} */
  async refuse(stage, step) {
    const attempt = await nextAttempt(stage, step);
    if (step.upgrade) match(attempt, step.upgrade, "the upgrade");
    attempt.refuse(step.refuse);
    stage.mark = performance.now();
  },

  /** {"refuse_all": {…} | null}: from now on every attempt is refused so; some clients ask a second time, by HTTP, for the reason. */
  async refuse_all(stage, { refuse_all }) {
    stage.server.refusal = refuse_all;
  },

  /** {"refused": n}: so many attempts have been refused by `refuse_all`. */
  async refused(stage, step) {
    match(stage.server.refused, step.refused, "the number of refused attempts");
  },

  /** {"hang_up": true}: the next attempt is cut off in the middle of its answer. */
  async hang_up(stage, step) {
    (await nextAttempt(stage, step)).cut();
    stage.mark = performance.now();
  },

  /** {"ignore": true}: takes the next attempt, and never answers it. */
  async ignore(stage, step) {
    await nextAttempt(stage, step);
  },

  async stop(stage) {
    stage.mark = performance.now();
    await stage.server.stop();
  },

  async start(stage) {
    stage.mark = performance.now();
    await stage.server.listen();
  },
};

async function nextAttempt(stage, step) {
  const attempt = await stage.server.attempts.take(step.within ?? PATIENCE_MS, "attempt to connect");
  const afterMs = attempt.at - stage.mark;
  if (step.after) match(afterMs, { $between: step.after }, "the wait before the attempt, in milliseconds,");
  return attempt;
}
