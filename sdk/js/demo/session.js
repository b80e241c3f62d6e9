// Who plays: a guest, as long as this page lasts. Two tabs are two players.

import { GodraClient } from "../godra.js";
import { $ } from "./dom.js";
import { nameOf } from "./shapes.js";

/** A lobby that is not there right after a restart may come again: so its players ask a few times. */
export const client = new GodraClient(undefined, { reconnect: { maxRefusals: 5 } });

/** Logs in as a guest if nobody is logged in. */
export async function ensureLogin() {
  const login = await client.auth.ensure();
  $("who").textContent = `You are ${nameOf(login)}.`;
}
