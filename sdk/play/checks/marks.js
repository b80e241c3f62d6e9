// Inputs that are to run exactly once: what their callers were told, against what the script itself wrote down.

import { text } from "./text.js";

/** After a crash everything older than a second is there. */
const MAY_BE_LOST_MS = 1_000;

/**
 * `asked`: `[{mark, player, way: "once" | "request" | "send", fails, begun, ended, result: {value} | {error}}]`, in the order in which each
 * player asked. `ran`: marks in the order in which they ran, as far as the store still knows. `crashes`: `[{at, back}]`, when the
 * embedded store was killed, and there again. All times are of one clock.
 */
export function markFaults(asked, ran, crashes = []) {
  const counts = new Map();
  for (const mark of ran) counts.set(mark, (counts.get(mark) ?? 0) + 1);
  const faults = asked.flatMap((one) => faultsOf(one, counts.get(one.mark) ?? 0, ran, crashes));
  const known = new Set(asked.map(({ mark }) => mark));
  for (const mark of counts.keys()) if (!known.has(mark)) faults.push(`${mark} ran, and nobody asked for it`);
  return [...faults, ...orderFaults(asked, ran)];
}

function faultsOf(one, count, ran, crashes) {
  const faults = [];
  const { result, mark } = one;
  const fault = (what) => faults.push(`${mark} (${one.way}) ${what}; it ran ${count} times, and was answered ${text(result)}`);
  const [least, most] = allowed(one, crashes, fault);
  if (count < least || count > most) fault(`was to run ${least === most ? least : `${least} to ${most}`} times`);
  const isOfNow = crashes.every(({ back }) => one.begun > back);
  if (one.way !== "send" && isOfNow && typeof result?.value === "number" && ran[result.value - 1] !== mark) fault("got another's answer");
  return faults;
}

/** How often it may have run. */
function allowed(one, crashes, fault) {
  const { way, fails, result } = one;
  if (!result) {
    fault("was never answered");
    return [0, 1];
  }
  if (way === "send") return [0, result.value === false ? 0 : 1];
  if (result.error) return afterError(one, crashes, fault);
  if (fails) {
    // Its first answer may be forgotten by the time at which it is sent again.
    if (!(way === "once" && result.value?.duplicate === true)) fault("was to fail");
    return [0, 0];
  }
  if (typeof result.value !== "number" && !(way === "once" && result.value?.duplicate === true)) fault("got an answer of another kind");
  return [mayBeLost(one, crashes) ? 0 : 1, 1];
}

function afterError({ way, fails, begun, ended, result: { error } }, crashes, fault) {
  if (fails && error.code === "as_asked" && error.outcome === "ran") return [0, 0];
  // A client goes on sending until it hears that the server is gone.
  const isOverCrash = crashes.some(({ at, back }) => begun < back && at < ended);
  if (way === "once" && !(isOverCrash && error.code === "disconnected" && error.outcome === "unknown")) {
    fault("failed, though the store kept its data");
  }
  if (error.outcome === "unknown") return [0, fails ? 0 : 1];
  if (error.outcome !== "none") fault("failed without saying whether it ran");
  return [0, 0];
}

function mayBeLost({ ended }, crashes) {
  return crashes.some(({ at, back }) => at - MAY_BE_LOST_MS < ended && ended < back);
}

/** Numbered inputs of one player run in the order in which they were asked for. */
function orderFaults(asked, ran) {
  const places = new Map(ran.map((mark, place) => [mark, place]));
  const last = new Map();
  const faults = [];
  for (const { mark, player, way } of asked) {
    if (way !== "once" || !places.has(mark)) continue;
    const before = last.get(player);
    if (before && places.get(mark) < places.get(before)) faults.push(`${mark} ran before ${before}, which ${player} asked for earlier`);
    last.set(player, mark);
  }
  return faults;
}
