// How long to wait before the next attempt to come back. No clock and no chance of its own.

/**
 * The longest delay, by how long the connection has been gone. A server that is restarted is away for seconds, and its players
 * shall be back within one second of its return: so for the first minute nobody waits longer than 0.8 s, which leaves 0.2 s
 * for the connection itself. Attempts at a server that is away cost nobody anything, and at its return they come spread over
 * that time. Who is away for longer than a minute has lost their network, or the server is in trouble: then haste gains
 * nothing, and costs batteries.
 */
const LONGEST_MS = [
  [60_000, 800],
  [5 * 60_000, 5_000],
  [Infinity, 20_000],
];

/** Of what the server asks for. A wake-up or the network's return is not kept waiting by it. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/**
 * - `attempt`: of those since the last good connection, from 1
 * - `goneMs`: since the connection was lost
 * - `answers`: so many attempts in a row were answered with a no. A server that is there, and has too much to do or does not
 *   want this player, is asked less and less often from the first minute on
 * - `isGentle`: the server itself closed many connections at once, or this one for haste: five times the first delay at least
 * - `retryAfterS`: what the server asked for
 */
export function retryDelayMs({ attempt, goneMs, answers = 0, isGentle = false, retryAfterS = 0 }, { firstDelayMs, maxDelayMs }, random = Math.random) {
  const doublings = answers > 0 ? Math.min(answers, attempt - 1) : attempt - 1;
  const longestMs = answers > 0 ? maxDelayMs : LONGEST_MS.find(([untilMs]) => goneMs < untilMs)[1];
  const grownMs = Math.min(longestMs, firstDelayMs * 2 ** Math.min(doublings, 30));
  const ceilingMs = Math.min(maxDelayMs, isGentle ? Math.max(5 * firstDelayMs, grownMs) : grownMs);
  return Math.min(retryAfterS * 1000, MAX_RETRY_AFTER_MS) + ceilingMs * (0.5 + random() / 2);
}
