// Who plays: a guest, whose token is fetched when it is first needed and again when its time is over.

import { GodraClient } from "../godra.js";
import { $ } from "./dom.js";
import { nameOf } from "./shapes.js";

export const client = new GodraClient();
export const { realtime } = client;

let login = null;
let pendingLogin = null;

export function isLoggedIn() {
  return login !== null;
}

/** The guest's token; a new guest when there is none yet, or its time is over. */
export async function freshToken() {
  if (login && performance.now() < login.freshUntil) return login.token;
  // Whoever asks while a login is under way gets the same guest.
  pendingLogin ??= logIn().finally(() => {
    pendingLogin = null;
  });
  return pendingLogin;
}

/** Runs a call with a token; a server that forgot it (a new secret, say) gets a new guest, once. */
export async function withToken(call) {
  try {
    return await call(await freshToken());
  } catch (error) {
    if (error.code !== "unauthorized") throw error;
    login = null;
    return call(await freshToken());
  }
}

async function logIn() {
  const answer = await client.auth.guestLogin();
  login = { ...answer, freshUntil: performance.now() + (answer.expires_in - 60) * 1000 };
  $("who").textContent = `You are ${nameOf(answer)}.`;
  return login.token;
}
