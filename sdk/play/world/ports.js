// Ports that stay free between two starts of a server: the system gives those above to whoever connects anywhere.

import { once } from "node:events";
import { createServer } from "node:net";

const LOWEST = 15_000;
const HIGHEST = 32_000;

/** Nobody listens yet at a port that was given just now. */
const given = new Set();

export async function freePort() {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port) || !(await isFree(port)) || given.has(port)) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  const isListening = await Promise.race([once(server, "listening").then(() => true), once(server, "error").then(() => false)]);
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}
