// One player: a client of some SDK behind its driver, and all that it reports.

import { EventEmitter } from "node:events";
import { text } from "../checks/text.js";

const COMMAND_MS = 20_000;

/** Dead connections are found in a second or two; everything else is as the SDKs ship. */
const OPTIONS = { heartbeat_ms: 500, request_timeout_ms: 1_500 };

let made = 0;

export class Player {
  #driver;
  #client;
  #heard = new EventEmitter();
  #commands = 0;
  #results = [];
  name;
  line;
  userId;
  /** Whether it heard last that its connection is there. */
  isJoined = false;
  reports = [];

  /** `line` is where it connects: something with a `url`. `sdk` names it in what is told of it. */
  static async enter({ driver, sdk, line, options = {} }) {
    const player = new Player();
    made += 1;
    player.#driver = driver;
    player.#client = `play/${made}`;
    player.name = `${sdk}-${made}`;
    player.line = line;
    player.#heard.setMaxListeners(0);
    driver.listen(`${player.#client}#0`, (report) => player.#hear(report));
    await player.do("new", { url: line.url, options: { ...OPTIONS, ...options } });
    await player.do("reduce");
    player.userId = (await player.do("guest_login")).user_id;
    return player;
  }

  /** The value that the command gave; an error of the SDK's rejects. */
  async do(name, fields = {}, ms = COMMAND_MS) {
    const { value, error } = await this.try(name, fields, ms);
    if (error) throw new Error(`${this.name}: ${name} ${text(fields)} failed: ${text(error)}`);
    return value;
  }

  /** `{value}` or `{error}`. */
  async try(name, fields = {}, ms = COMMAND_MS) {
    if (this.#driver.end) throw this.#died(this.#driver.end);
    const id = `${this.#client}#${this.#commands}`;
    this.#commands += 1;
    const results = this.#driver.run({ id, client: this.#client, do: name, ...fields });
    const result = await results.take(ms, `result of ${this.name}'s ${name} ${text(fields)}`);
    if (result.died) throw this.#died(result.died);
    this.#results.push({ name, results });
    return result;
  }

  /** Resolves once `isSo(player)` holds, which is asked after each single report. */
  until(isSo, what, ms = COMMAND_MS) {
    if (isSo(this)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(new Error(`${this.name}: not within ${ms} ms: ${what}; it heard last: ${text(this.#latest())}`)), ms);
      const look = () => isSo(this) && end();
      const end = (error) => {
        clearTimeout(timer);
        this.#heard.off("report", look);
        if (error) reject(error);
        else resolve();
      };
      this.#heard.on("report", look);
    });
  }

  /** Commands that were answered more than once. */
  answeredTwice() {
    return this.#results.filter(({ results }) => results.waiting.length > 0).map(({ name, results }) => `${name}: ${text(results.waiting)}`);
  }

  async drop() {
    await this.do("drop");
    this.#driver.forget(`${this.#client}#0`);
  }

  #hear(report) {
    if (report.event === "connected") this.isJoined = true;
    if (report.event === "disconnected") this.isJoined = false;
    this.reports.push({ ...report, at: performance.now() });
    this.#heard.emit("report");
  }

  #died(how) {
    return new Error(`the driver of ${this.name} ${how}\n${this.#driver.output}`);
  }

  #latest() {
    return this.reports.filter(({ event }) => event !== "message").slice(-3);
  }
}
