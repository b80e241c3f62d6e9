// The Godra SDK. Made from src/ by `npm run build`: change it there.

// src/testing.js
import { GodraError, Room } from "./godra.js";

// src/util.js
function reportLater(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else queueMicrotask(() => {
    throw error;
  });
}
function withDefaults(defaults, given) {
  const known = Object.keys(defaults).filter((key) => given?.[key] !== void 0);
  return { ...defaults, ...Object.fromEntries(known.map((key) => [key, given[key]])) };
}

// src/settings.js
var DEFAULTS = {
  requestTimeoutMs: 1e4,
  connectTimeoutMs: 1e4,
  heartbeatMs: 2e4,
  maxBufferedBytes: 1 << 20,
  maxMessageBytes: 1 << 16,
  resume: true,
  onHandlerError: reportLater,
  logger: warn
};
var RECONNECT_DEFAULTS = {
  firstDelayMs: 200,
  maxDelayMs: 2e4,
  stableMs: 5e3,
  maxRefusals: 1
};
function settingsOf(options) {
  const reconnect = options.reconnect === false ? null : withDefaults(RECONNECT_DEFAULTS, options.reconnect);
  return { ...withDefaults(DEFAULTS, options), reconnect };
}
function warn(level, message, fields) {
  if (level === "warn") console.warn(`Godra: ${message}`, fields);
}

// src/simulate.js
function badNetwork(kind = {}) {
  return (open, platform) => overNetwork(open, kind, platform);
}
function overNetwork(open, { latencyMs = 0, jitterMs = 0, dropEveryS = 0 }, { now, later, random }) {
  const way = () => {
    const underWay = [];
    let lastAt = 0;
    return (run) => {
      underWay.push(run);
      lastAt = Math.max(lastAt, now() + (latencyMs + random() * jitterMs) / 2);
      later(() => underWay.shift()(), lastAt - now());
    };
  };
  return (token, query, handlers) => {
    const [out, back] = [way(), way()];
    let isOver = false;
    const end = () => {
      isOver = true;
      stop();
    };
    const deliver = (name) => (what) => back(() => {
      if (isOver) return;
      if (name === "ended") end();
      handlers[name](what);
    });
    const link = open(token, query, { received: deliver("received"), ended: deliver("ended") });
    const drop = () => {
      link.end(4e3, "simulated");
      handlers.ended({ code: 1006, reason: "simulated", opened: true }, end());
    };
    const stop = dropEveryS > 0 ? later(drop, dropEveryS * 1e3 * (0.5 + random())) : () => {
    };
    return {
      send(text, limit) {
        out(() => isOver || link.send(text, limit));
        return true;
      },
      end(code, reason) {
        end();
        link.end(code, reason);
      }
    };
  };
}

// src/testing.js
var VirtualClock = class {
  #now = 0;
  #timers = /* @__PURE__ */ new Set();
  now() {
    return this.#now;
  }
  later(run, delayMs) {
    const timer = { run, at: this.#now + delayMs };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  /** Moves on, and runs what falls due, in order. Resolves when what that began has come to rest. */
  async advance(ms) {
    const until = this.#now + ms;
    for (; ; ) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await rest();
    }
    this.#now = until;
    await rest();
  }
};
var FakeServer = class {
  /** All that the game sent, as `{action, payload, id?, n?}`. */
  sent = [];
  /** All connections that the room asked for, as their query: `{game_id, epoch?, since?}`. */
  connections = [];
  #handlers = null;
  #seq = 0;
  #epoch = "1";
  #isAway = false;
  #closed = null;
  #answers = /* @__PURE__ */ new Map([["heartbeat", () => ({ seq: this.#seq, n: 0 })]]);
  /** How the room closed its last connection: `{code, reason}`, or null. */
  get closed() {
    return this.#closed;
  }
  /** Whether a connection waits for a welcome, or has it. */
  get isConnected() {
    return this.#handlers !== null;
  }
  open(query, handlers) {
    this.connections.push(query);
    this.#closed = null;
    const mine = { ...handlers };
    if (this.#isAway) queueMicrotask(() => mine.ended({ code: 1006, reason: "", opened: false }));
    else this.#handlers = mine;
    return {
      send: (text) => this.#handlers === mine && this.#received(JSON.parse(text)),
      end: (code, reason) => {
        if (this.#handlers === mine) this.#handlers = null;
        this.#closed = { code, reason };
      }
    };
  }
  /** Lets the room in. What is left out is made up. */
  welcome(payload = {}) {
    const { seq = this.#seq, epoch = this.#epoch } = payload;
    this.#seq = seq;
    this.#epoch = epoch;
    const who = { user_id: "guest:1", username: "Guest", role: "guest" };
    this.message({ type: "welcome", payload: { ...who, recovered: false, state: {}, n: 0, sync_interval_ms: 50, ...payload, seq, epoch } });
  }
  /** An event of the room, with the next number. */
  event(type, payload = null, more = {}) {
    this.#seq = more.seq ?? this.#seq + 1;
    this.message({ type, payload, seq: this.#seq, ...more });
  }
  snapshot(state, more = {}) {
    this.message({ type: "snapshot", payload: state, epoch: this.#epoch, seq: this.#seq, ...more });
  }
  /**
   * From now on, answers that action with what `answer(payload)` gives, or with the GodraError that it throws. Heartbeats are
   * answered by themselves; with null in place of a function, an action is not.
   */
  answer(action, answer) {
    this.#answers.set(action, answer);
  }
  /** Answers one of `sent`. */
  reply({ id }, result = null) {
    this.message({ type: "reply", id, result });
  }
  /** Fails one of `sent`, or none of them. */
  fail(input, code, message = code, details = void 0) {
    this.message({ type: "error", id: input?.id, n: input?.n, payload: { code, message, details } });
  }
  /** Refuses the connection that waits for its welcome. */
  refuse(status, code, message = code, details = void 0) {
    this.message({ type: "error", payload: { code, message, details, status } });
    this.close(status === 429 || status >= 500 ? 4005 : 4505, code);
  }
  /** Ends the connection: 1006 is the network's end. */
  close(code = 1006, reason = "") {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.ended({ code, reason, opened: true });
  }
  /** From now on nobody is there, until `comeBack`. */
  goAway() {
    this.#isAway = true;
    this.close();
  }
  comeBack() {
    this.#isAway = false;
  }
  /** Any message, right or wrong: an object, or text as it is. */
  message(message) {
    if (!this.#handlers) throw new Error("The room has no connection now: see server.isConnected");
    this.#handlers.received(typeof message === "string" ? message : JSON.stringify(message));
  }
  #received(input) {
    this.sent.push(input);
    const answer = this.#answers.get(input.action);
    if (answer) queueMicrotask(() => this.#handlers && this.#answer(input, answer));
    return true;
  }
  #answer(input, answer) {
    try {
      const result = answer(input.payload);
      if (input.id !== void 0) this.reply(input, result);
    } catch (error) {
      if (!(error instanceof GodraError)) throw error;
      this.fail(input, error.code, error.message, error.details);
    }
  }
};
var FakeRoom = {
  /** A room that has its welcome; `prepare(room)` comes before that. */
  async join({ welcome, prepare, ...options } = {}) {
    const fake = FakeRoom.connect({ prepare, ...options });
    await rest();
    fake.server.welcome(welcome);
    await fake.joined;
    return fake;
  },
  /** A room that waits for its welcome; `joined` is the promise of `join`. */
  connect({ id = "test", token = "fake", prepare, random = () => 0.5, ...options } = {}) {
    const clock = new VirtualClock();
    const server = new FakeServer();
    const env = {
      now: () => clock.now(),
      later: (run, delayMs) => clock.later(run, delayMs),
      random,
      onWake: () => () => {
      },
      isOffline: () => false,
      readiness: async () => ({ isReady: false }),
      open: (_token, query, handlers) => server.open(query, handlers),
      leaveLobby: async () => {
      }
    };
    const tokens = { get: () => token, prepare() {
    }, renew: () => false, over() {
    }, userOf: () => void 0 };
    const settings = settingsOf({ heartbeatMs: 0, ...options });
    const { room, connection } = Room.open(id, { settings, tokens, env, left() {
    } });
    prepare?.(room);
    const joined = connection.join().then(() => room);
    joined.catch(() => {
    });
    return { room, server, clock, joined };
  }
};
async function rest() {
  for (let turn = 0; turn < 20; turn += 1) await null;
}
export {
  FakeRoom,
  FakeServer,
  VirtualClock,
  badNetwork
};
