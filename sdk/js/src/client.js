// A server, and what one player does there: the one object that games make.

import { Auth } from "./auth.js";
import { GodraError } from "./errors.js";
import { Http } from "./http.js";
import { Lobby } from "./lobby.js";
import { Realtime } from "./realtime.js";

export class GodraClient {
  #http;

  constructor(baseUrl = globalThis.location?.origin, options = {}) {
    const base = parseBaseUrl(baseUrl);
    this.#http = new Http(base, options);
    /** Used where a call is given no token; every login sets it. */
    this.token = options.token ?? null;
    this.auth = new Auth(this, this.#http, options);
    this.lobby = new Lobby(this);
    this.realtime = new Realtime(this, this.#http, base, options);
  }

  /** Runs a script by RPC and resolves with its result. */
  async rpc(script, args = [], keys = undefined, { token } = {}) {
    const call = (good) => this.#http.post("api/rpc", { script, args, keys }, good);
    const body = await this.auth.withToken(token, call);
    if (!("result" in body)) throw new GodraError("bad_response", "The answer to an RPC has no result");
    return body.result;
  }
}

function parseBaseUrl(baseUrl) {
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new TypeError(`new GodraClient(baseUrl): not an address: ${baseUrl}`);
  }
  if (url.protocol === "ws:") url.protocol = "http:";
  if (url.protocol === "wss:") url.protocol = "https:";
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`new GodraClient(baseUrl): not an http(s) address: ${baseUrl}`);
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
