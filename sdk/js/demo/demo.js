// The demo: a small arena on the stock scripts. It shows how a game uses the SDK: log in, make or join a lobby, send
// inputs, draw what the server says. The server decides where everybody is; this page only guesses ahead for its own
// player, so that keys feel immediate, and draws the others a moment late, so that they move smoothly.

import { GodraClient } from "./godra.js";

const MOVE_INTERVAL_MS = 50;
/** A move that the server has not confirmed is said again after this long. */
const REPEAT_MS = 200;
const PING_INTERVAL_MS = 2_000;
const LOBBY_LIST_INTERVAL_MS = 5_000;
const CAPACITY = 16;
/** Below the limit of the server, whose clock does not tick with ours. */
const SPEED_SHARE = 0.9;
const BUBBLE_MS = 5_000;
const CHAT_LINES = 200;

const client = new GodraClient();
const { realtime } = client;
const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** The lobby that is on the screen, or null on the start screen. */
let game = null;

// ---------------------------------------------------------------- login, lobbies

let login = null;
let pendingLogin = null;

/** The guest's token; a new guest when there is none yet, or its time is over. */
async function freshToken() {
  if (login && performance.now() < login.freshUntil) return login.token;
  // Whoever asks while a login is under way gets the same guest.
  pendingLogin ??= logIn().finally(() => {
    pendingLogin = null;
  });
  return pendingLogin;
}

async function logIn() {
  const answer = await client.auth.guestLogin();
  login = { ...answer, freshUntil: performance.now() + (answer.expires_in - 60) * 1000 };
  $("who").textContent = `You are ${nameOf(answer)}.`;
  return login.token;
}

/** Runs a call with a token; a server that forgot it (a new secret, say) gets a new guest, once. */
async function withToken(call) {
  try {
    return await call(await freshToken());
  } catch (error) {
    if (error.code !== "unauthorized") throw error;
    login = null;
    return call(await freshToken());
  }
}

async function createLobby() {
  await enter(() => withToken((token) => client.lobby.createLobby(token, CAPACITY)));
}

async function joinLobby(code) {
  const id = codeOf(code);
  if (!/^[\w-]{1,64}$/.test(id)) {
    showStart("This does not look like a lobby code.");
    return;
  }
  await enter(async () => {
    // A browser cannot see why a WebSocket was refused; this call tells.
    await withToken((token) => client.lobby.joinLobby(token, id));
    return id;
  });
}

/** Goes into the lobby whose id `prepare` gives; on failure back to the start screen, with the reason. */
async function enter(prepare) {
  setBusy(true);
  $("notice").textContent = "";
  try {
    await realtime.connect(freshToken, await prepare());
  } catch (error) {
    if (error.code !== "cancelled") showStart(friendly(error));
  } finally {
    setBusy(false);
  }
}

function leave() {
  realtime.close();
  showStart("");
}

async function refreshLobbies() {
  if (game || document.hidden) return;
  try {
    showLobbies((await withToken((token) => client.lobby.listLobbies(token))).lobbies);
  } catch (error) {
    showLobbies([]);
    if (!login) $("who").textContent = friendly(error);
  }
}

/** What went wrong, in the words of a player. */
function friendly(error) {
  if (error.code === "conflict") return /full/.test(error.message) ? "This lobby is full. Ask for room, or create your own." : "This lobby is closed.";
  if (error.code === "not_found") return "There is no lobby with this code. Is it complete?";
  if (error.code === "rate_limited") return `That was a little fast. Try again in ${error.retryAfter ?? 5} seconds.`;
  if (error.code === "unavailable" || error.code === "timeout") return "The server does not answer right now. Try again in a moment.";
  return error.message;
}

// ---------------------------------------------------------------- what the server says

realtime.on("connected", (welcome) => {
  const again = game?.code === welcome.game_id;
  game = new Game(welcome, again ? game : null);
  showGame(again);
});
realtime.on("snapshot", (state) => game?.load(state));
realtime.on("player_joined", (player) => game?.joined(player));
realtime.on("player_left", (player) => game?.left(player));
realtime.on("player_moved", (player) => game?.moved(player));
realtime.on("chat", (chat) => game?.said(chat));

realtime.on("disconnected", ({ code, willReconnect }) => {
  if (!game || willReconnect) return;
  const reasons = {
    1000: "",
    1006: "This lobby is not there any more: the server has restarted, or closed it.",
    4001: "Your guest pass has run out. Join again to go on.",
    4500: "You were removed from this lobby.",
    4501: "You may not play on this server.",
    4502: "You joined this lobby again elsewhere.",
    4503: "This lobby was closed.",
    4504: "Too many of this page's moves were refused. Join again to go on.",
  };
  showStart(reasons[code] ?? "The connection to this lobby ended. Join again to go on.");
});

realtime.on("reconnecting", ({ attempt, delayMs }) => {
  if (!game) return;
  const seconds = Math.max(1, Math.round(delayMs / 1000));
  showBanner(attempt === 1 ? "Connection lost. Coming back…" : `Still trying to come back (attempt ${attempt}, in ${seconds} s)…`);
});

realtime.on("error", (error) => {
  const position = pointOf(error.details);
  if (position && game) game.corrected(position);
  else if (error.code === "rate_limited" || error.code === "busy") showBanner("The server is busy: slowing down.", 2_000);
  else console.warn(`${error.code}: ${error.message}`);
});

// ---------------------------------------------------------------- the shapes of the stock scripts

/** A room's state (`scripts/on_snapshot.lua`) as this page uses it. */
function arenaOf(state) {
  const bounds = state?.bounds ?? {};
  return {
    left: bounds.min_x ?? 0,
    top: bounds.min_y ?? 0,
    right: bounds.max_x ?? 1000,
    bottom: bounds.max_y ?? 1000,
    // 0 is no limit, for which a page needs one of its own.
    maxSpeed: state?.max_speed || 300,
    capacity: state?.capacity,
    players: Object.values(state?.players ?? {}),
  };
}

function nameOf(player) {
  return player.username || `Guest ${String(player.user_id).slice(-4)}`;
}

function pointOf(value) {
  return Number.isFinite(value?.x) && Number.isFinite(value?.y) ? { x: value.x, y: value.y } : null;
}

/** The code in what a player typed or pasted: a whole link, an id, an id with its prefix. */
function codeOf(text) {
  return text.trim().replace(/^.*#/, "").replace(/^game:/, "");
}

// ---------------------------------------------------------------- the game

/** One lobby as this page knows it. */
class Game {
  constructor(welcome, before) {
    this.code = welcome.game_id;
    this.selfId = welcome.user_id;
    this.delayMs = Math.max(2 * welcome.sync_interval_ms, 60);
    this.players = new Map();
    this.lastSentAt = 0;
    this.lastSent = null;
    this.load(welcome.state);
    if (!this.players.has(this.selfId)) this.joined(welcome);
    // The server knows no position before the first move. Whoever comes back stands where they stood.
    if (!this.self.isPlaced) this.self.place(before?.self ?? this.somewhere());
    this.camera = before?.camera ?? null;
  }

  get self() {
    return this.players.get(this.selfId);
  }

  /** Takes over a whole state; whoever is not in it is gone. */
  load(state) {
    this.arena = arenaOf(state);
    const listed = new Map(this.arena.players.map((player) => [player.user_id, player]));
    for (const id of this.players.keys()) if (!listed.has(id) && id !== this.selfId) this.players.delete(id);
    for (const player of listed.values()) this.joined(player);
    showPlayers();
  }

  joined(player) {
    const known = this.players.get(player.user_id);
    if (known) known.name = nameOf(player);
    else this.players.set(player.user_id, new Player(player));
    const point = pointOf(player);
    if (point) this.moved({ ...player, ...point });
    showPlayers();
  }

  left({ user_id: id }) {
    if (id === this.selfId) return;
    this.players.delete(id);
    showPlayers();
  }

  moved({ user_id: id, x, y }) {
    const player = this.players.get(id);
    if (!player || !pointOf({ x, y })) return;
    if (id === this.selfId) player.confirm({ x, y });
    else player.addSample({ x, y }, performance.now(), this.delayMs);
  }

  said({ user_id: id, username, message }) {
    const player = this.players.get(id);
    if (player) player.bubble = { text: message, until: performance.now() + BUBBLE_MS };
    addChatLine({ name: player?.name ?? nameOf({ user_id: id, username }), hue: hueOf(id), text: message });
  }

  /** The server refused a move, and says where this player stands. */
  corrected(point) {
    this.self.confirm(point);
  }

  /** A random place, not too near to the edges. */
  somewhere() {
    const { left, right, top, bottom } = this.arena;
    const between = (low, high) => low + (high - low) * (0.2 + 0.6 * Math.random());
    return { x: between(left, right), y: between(top, bottom) };
  }

  /** One step of the picture: the own player by its keys, the others by what the server said. */
  step(now, elapsedMs) {
    const heading = controls.heading(this);
    this.self.walk(heading, this.arena, elapsedMs);
    for (const player of this.players.values()) {
      if (player !== this.self) player.interpolate(now - this.delayMs);
      if (player.isPlaced) player.leaveTrail(now);
    }
    this.sendMove(now);
  }

  sendMove(now) {
    const { self } = this;
    if (now - this.lastSentAt < MOVE_INTERVAL_MS || !realtime.connected) return;
    const point = { x: round(self.x), y: round(self.y) };
    const confirmed = self.confirmed && distance(self.confirmed, point) < 0.2;
    const isNew = !this.lastSent || distance(this.lastSent, point) > 0.05;
    if (confirmed || (!isNew && now - this.lastSentAt < REPEAT_MS)) return;
    if (!realtime.sendInput("move_player", point)) return;
    this.lastSent = point;
    this.lastSentAt = now;
  }
}

class Player {
  constructor(player) {
    this.id = player.user_id;
    this.name = nameOf(player);
    this.hue = hueOf(player.user_id);
    /** False until the first position is known; such a player is not drawn. */
    this.isPlaced = false;
    this.x = 0;
    this.y = 0;
    /** Where the server has this player, as far as it said. */
    this.confirmed = null;
    this.samples = [];
    this.trail = [];
    this.bubble = null;
  }

  place({ x, y }) {
    Object.assign(this, { x, y, isPlaced: true });
  }

  /** Walks ahead of the server, but not out of its sight: too far from what it confirmed, it is pulled back. */
  walk(heading, arena, elapsedMs) {
    const stepLength = (arena.maxSpeed * SPEED_SHARE * elapsedMs) / 1000;
    this.x = clamp(this.x + heading.x * stepLength, arena.left, arena.right);
    this.y = clamp(this.y + heading.y * stepLength, arena.top, arena.bottom);
    if (!this.confirmed) return;
    const gap = distance(this, this.confirmed);
    const leash = arena.maxSpeed * 0.6;
    if (gap <= leash) return;
    const pull = Math.min(1, (gap - leash) / gap);
    this.x += (this.confirmed.x - this.x) * pull;
    this.y += (this.confirmed.y - this.y) * pull;
  }

  confirm(point) {
    if (!this.isPlaced) this.place(point);
    this.confirmed = point;
  }

  addSample(point, now, delayMs) {
    const last = this.samples.at(-1);
    if (!last) this.place(point);
    // After a rest the way begins now, not where the rest began.
    else if (now - last.at > delayMs) this.samples.push({ ...last, at: now - delayMs / 2 });
    this.samples.push({ ...point, at: now });
    if (this.samples.length > 60) this.samples.splice(0, 30);
    this.confirmed = point;
  }

  interpolate(at) {
    while (this.samples.length > 2 && this.samples[1].at <= at) this.samples.shift();
    const [from, to] = this.samples;
    if (!from) return;
    const share = to ? clamp((at - from.at) / (to.at - from.at || 1), 0, 1) : 0;
    this.x = from.x + ((to ?? from).x - from.x) * share;
    this.y = from.y + ((to ?? from).y - from.y) * share;
  }

  leaveTrail(now) {
    const last = this.trail.at(-1);
    if (!last || distance(last, this) > 4) this.trail.push({ x: this.x, y: this.y, at: now });
    while (this.trail.length > 0 && now - this.trail[0].at > 400) this.trail.shift();
  }
}

// ---------------------------------------------------------------- keys, mouse, touch

class Controls {
  #keys = new Set();
  #pointer = null;

  constructor(canvas) {
    addEventListener("keydown", (event) => this.#keyDown(event));
    addEventListener("keyup", (event) => this.#keys.delete(event.code));
    addEventListener("blur", () => this.release());
    canvas.addEventListener("pointerdown", (event) => this.#press(event, canvas));
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        if (event.pointerId === this.#pointer?.id) this.#pointer = null;
      });
    }
  }

  release() {
    this.#keys.clear();
    this.#pointer = null;
  }

  /** Where to, as a vector of length 0 to 1. */
  heading(current) {
    const held = (names) => names.some((name) => this.#keys.has(name));
    const x = held(KEYS.right) - held(KEYS.left);
    const y = held(KEYS.down) - held(KEYS.up);
    if (x !== 0 || y !== 0) return { x: x / Math.hypot(x, y), y: y / Math.hypot(x, y) };
    return this.#pointer ? this.#pointerHeading(current) : { x: 0, y: 0 };
  }

  /** The joystick under a finger, or null. */
  get joystick() {
    return this.#pointer && this.#pointer.kind !== "mouse" ? this.#pointer : null;
  }

  #pointerHeading(current) {
    const { kind, from, at } = this.#pointer;
    // A finger covers what it points at, so it drags a joystick; a mouse says where to go.
    const target = kind === "mouse" ? view.toScreen(current.self) : from;
    const reach = kind === "mouse" ? 30 : JOYSTICK_PX;
    const [dx, dy] = [at.x - target.x, at.y - target.y];
    const length = Math.hypot(dx, dy);
    if (length < 4) return { x: 0, y: 0 };
    const strength = Math.min(1, length / reach);
    return { x: (dx / length) * strength, y: (dy / length) * strength };
  }

  #keyDown(event) {
    if (!game || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLInputElement) return;
    if (event.code === "Enter" && !(event.target instanceof HTMLButtonElement)) {
      event.preventDefault();
      $("chat-text").focus();
    } else if (Object.values(KEYS).flat().includes(event.code)) {
      event.preventDefault();
      this.#keys.add(event.code);
      hideHint();
    }
  }

  #press(event, canvas) {
    if (!game || this.#pointer || event.button !== 0) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const at = { x: event.clientX, y: event.clientY };
    this.#pointer = { id: event.pointerId, kind: event.pointerType, from: at, at };
    hideHint();
  }

  #drag(event) {
    if (event.pointerId === this.#pointer?.id) this.#pointer.at = { x: event.clientX, y: event.clientY };
  }
}

const JOYSTICK_PX = 56;
const KEYS = {
  up: ["KeyW", "ArrowUp"],
  left: ["KeyA", "ArrowLeft"],
  down: ["KeyS", "ArrowDown"],
  right: ["KeyD", "ArrowRight"],
};

// ---------------------------------------------------------------- the picture

/** Draws a game. Lengths are in the arena's units, except where `Px` says otherwise. */
class View {
  #canvas;
  #context;
  #scale = 1;
  #origin = { x: 0, y: 0 };
  #widthPx = 0;
  #heightPx = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  toScreen({ x, y }) {
    return { x: (x - this.#origin.x) * this.#scale, y: (y - this.#origin.y) * this.#scale };
  }

  draw(current, now, elapsedMs) {
    const context = this.#context;
    const density = this.#canvas.width / this.#widthPx;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = "#0b0e17";
    context.fillRect(0, 0, this.#widthPx, this.#heightPx);
    if (!current) {
      this.#drawBackdrop(now);
      return;
    }
    this.#follow(current, elapsedMs);
    this.#drawGround(current.arena);
    const players = [...current.players.values()].filter((player) => player.isPlaced).sort((a, b) => a.y - b.y);
    for (const player of players) this.#drawTrail(player, now);
    for (const player of players) this.#drawBody(player, player === current.self);
    for (const player of players) this.#drawName(player, player === current.self, now);
    if (controls.joystick) this.#drawJoystick(controls.joystick);
  }

  #resize() {
    const density = Math.min(devicePixelRatio || 1, 2);
    this.#widthPx = this.#canvas.clientWidth || innerWidth;
    this.#heightPx = this.#canvas.clientHeight || innerHeight;
    this.#canvas.width = Math.round(this.#widthPx * density);
    this.#canvas.height = Math.round(this.#heightPx * density);
  }

  /** The camera shows the whole arena where that is big enough to see, and else follows the own player. */
  #follow(current, elapsedMs) {
    const { left, right, top, bottom } = current.arena;
    const [width, height] = [right - left, bottom - top];
    const freePx = this.#heightPx - HUD_PX - CHAT_PX;
    const whole = Math.min((this.#widthPx - 52) / width, freePx / height);
    const shortPx = Math.min(this.#widthPx, freePx);
    const secondsAcross = shortPx < SMALL_PX ? 2.5 : 4.5;
    this.#scale = Math.max(whole, shortPx / (secondsAcross * current.arena.maxSpeed));
    const target = current.self;
    const easing = current.camera ? 1 - Math.exp(-elapsedMs / 120) : 1;
    current.camera ??= { x: target.x, y: target.y };
    current.camera.x += (target.x - current.camera.x) * easing;
    current.camera.y += (target.y - current.camera.y) * easing;
    const [spanX, spanY] = [this.#widthPx / this.#scale, this.#heightPx / this.#scale];
    const margin = 26 / this.#scale;
    this.#origin.x = cameraEdge(current.camera.x, spanX, left - margin, right + margin);
    // At its ends the arena stays clear of the bars above and below.
    this.#origin.y = cameraEdge(current.camera.y, spanY, top - HUD_PX / this.#scale, bottom + CHAT_PX / this.#scale);
  }

  #drawGround({ left, top, right, bottom }) {
    const context = this.#context;
    const from = this.toScreen({ x: left, y: top });
    const to = this.toScreen({ x: right, y: bottom });
    const [width, height] = [to.x - from.x, to.y - from.y];
    const [middleX, middleY] = [from.x + width / 2, from.y + height / 2];
    const light = context.createRadialGradient(middleX, middleY, 0, middleX, middleY, Math.max(width, height) * 0.7);
    light.addColorStop(0, "#1c243e");
    light.addColorStop(1, "#10141f");
    context.fillStyle = light;
    const edge = new Path2D();
    edge.roundRect(from.x, from.y, width, height, 14);
    context.fill(edge);
    this.#drawGrid(from, to, niceStep((right - left) / 20) * this.#scale);
    context.strokeStyle = "rgb(124 156 255 / 0.55)";
    context.lineWidth = 2;
    context.stroke(edge);
  }

  #drawGrid(from, to, stepPx) {
    const context = this.#context;
    context.beginPath();
    for (let x = from.x + stepPx; x < to.x; x += stepPx) {
      context.moveTo(x, from.y);
      context.lineTo(x, to.y);
    }
    for (let y = from.y + stepPx; y < to.y; y += stepPx) {
      context.moveTo(from.x, y);
      context.lineTo(to.x, y);
    }
    context.strokeStyle = "rgb(255 255 255 / 0.045)";
    context.lineWidth = 1;
    context.stroke();
  }

  #drawTrail(player, now) {
    if (calm.matches || player.trail.length < 2) return;
    const context = this.#context;
    for (const mark of player.trail) {
      const age = (now - mark.at) / 400;
      const { x, y } = this.toScreen(mark);
      context.fillStyle = `hsl(${player.hue} 80% 65% / ${0.22 * (1 - age)})`;
      circle(context, x, y, RADIUS_PX * (1 - 0.6 * age));
      context.fill();
    }
  }

  #drawBody(player, isSelf) {
    const context = this.#context;
    const { x, y } = this.toScreen(player);
    context.save();
    context.shadowColor = `hsl(${player.hue} 90% 60% / 0.8)`;
    context.shadowBlur = 18;
    const body = context.createRadialGradient(x - 5, y - 6, 2, x, y, RADIUS_PX);
    body.addColorStop(0, `hsl(${player.hue} 95% 80%)`);
    body.addColorStop(1, `hsl(${player.hue} 75% 55%)`);
    context.fillStyle = body;
    circle(context, x, y, RADIUS_PX);
    context.fill();
    context.restore();
    if (!isSelf) return;
    context.strokeStyle = "rgb(255 255 255 / 0.9)";
    context.lineWidth = 2;
    circle(context, x, y, RADIUS_PX + 5);
    context.stroke();
  }

  #drawName(player, isSelf, now) {
    const context = this.#context;
    const { x, y } = this.toScreen(player);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${isSelf ? 650 : 500} 13px ${FONT}`;
    context.lineWidth = 3;
    context.strokeStyle = "rgb(11 14 23 / 0.8)";
    const name = isSelf ? `${player.name} (you)` : player.name;
    context.strokeText(name, x, y + RADIUS_PX + 16);
    context.fillStyle = isSelf ? "#ffffff" : "#c9d2ec";
    context.fillText(name, x, y + RADIUS_PX + 16);
    if (player.bubble && now < player.bubble.until) this.#drawBubble(player.bubble, x, y - RADIUS_PX - 12, now);
  }

  #drawBubble({ text, until }, x, bottom, now) {
    const context = this.#context;
    context.save();
    context.globalAlpha = Math.min(1, (until - now) / 400);
    context.font = `500 14px ${FONT}`;
    const lines = wrap(context, text, 220, 3);
    const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 22;
    const height = lines.length * 19 + 12;
    const left = clamp(x - width / 2, 6, Math.max(6, this.#widthPx - width - 6));
    context.fillStyle = "rgb(240 244 255 / 0.95)";
    context.beginPath();
    context.roundRect(left, bottom - height, width, height, 11);
    context.moveTo(x + 6, bottom - 1);
    context.lineTo(x, bottom + 7);
    context.lineTo(x - 6, bottom - 1);
    context.fill();
    context.fillStyle = "#141a2c";
    lines.forEach((line, index) => context.fillText(line, left + width / 2, bottom - height + 16 + index * 19));
    context.restore();
  }

  #drawJoystick({ from, at }) {
    const context = this.#context;
    const length = Math.hypot(at.x - from.x, at.y - from.y) || 1;
    const share = Math.min(1, JOYSTICK_PX / length);
    context.fillStyle = "rgb(255 255 255 / 0.06)";
    context.strokeStyle = "rgb(255 255 255 / 0.25)";
    context.lineWidth = 2;
    circle(context, from.x, from.y, JOYSTICK_PX);
    context.fill();
    context.stroke();
    context.fillStyle = "rgb(255 255 255 / 0.35)";
    circle(context, from.x + (at.x - from.x) * share, from.y + (at.y - from.y) * share, 22);
    context.fill();
  }

  /** Behind the start screen: slow lights. */
  #drawBackdrop(now) {
    const context = this.#context;
    const time = calm.matches ? 0 : now / 1000;
    for (let index = 0; index < 14; index += 1) {
      const angle = time * (0.05 + (index % 5) * 0.012) + index * 2.4;
      const x = this.#widthPx * (0.5 + 0.46 * Math.cos(angle + index));
      const y = this.#heightPx * (0.5 + 0.44 * Math.sin(angle * 1.3 + index * 1.7));
      context.fillStyle = `hsl(${(index * 47) % 360} 70% 62% / 0.28)`;
      circle(context, x, y, 7 + (index % 4) * 4);
      context.fill();
    }
  }
}

const RADIUS_PX = 15;
/** Screens shorter than this show less of the arena, but bigger. */
const SMALL_PX = 480;
const HUD_PX = 66;
const CHAT_PX = 72;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

/** The camera's left (or top) edge: centred on the player, but not looking out of the arena more than it must. */
function cameraEdge(centre, span, low, high) {
  if (span >= high - low) return (low + high - span) / 2;
  return clamp(centre - span / 2, low, high - span);
}

function niceStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * ([1, 2, 5].find((factor) => factor * power >= wanted) ?? 10);
}

function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

/** Breaks text into lines of at most `widthPx`; what does not fit on the last line is left out, with an ellipsis. */
function wrap(context, text, widthPx, maxLines) {
  const fits = (line) => context.measureText(line).width <= widthPx;
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === "" || fits(`${last} ${word}`)) lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    else lines.push(word);
  }
  const shown = lines.slice(0, maxLines).map((line) => shorten(line, fits));
  if (lines.length > maxLines) shown[maxLines - 1] = shorten(`${shown[maxLines - 1]} …`, fits);
  return shown;
}

function shorten(line, fits) {
  if (fits(line)) return line;
  const letters = [...line];
  while (letters.length > 1 && !fits(`${letters.join("")}…`)) letters.pop();
  return `${letters.join("")}…`;
}

// ---------------------------------------------------------------- the page around it

function showStart(notice) {
  game = null;
  controls.release();
  clearBanner();
  history.replaceState(null, "", location.pathname + location.search);
  $("game").hidden = true;
  $("start").hidden = false;
  $("notice").textContent = notice;
  document.title = "Godra Arena";
  refreshLobbies();
  $("create").focus({ preventScroll: true });
}

function showGame(again) {
  clearBanner();
  $("start").hidden = true;
  $("game").hidden = false;
  $("lobby-code").textContent = game.code;
  document.title = `Lobby ${game.code} · Godra Arena`;
  history.replaceState(null, "", `#${game.code}`);
  $("code").value = "";
  if (again) {
    addNote("You are back.");
  } else {
    $("chat-log").replaceChildren();
    addNote(`You are in lobby ${game.code}. Send its link to your friends.`);
    $("arena").focus({ preventScroll: true });
  }
  showPlayers();
  measureLatency();
}

let isBusy = false;

function setBusy(busy) {
  isBusy = busy;
  for (const button of document.querySelectorAll("#start button")) button.disabled = busy || "full" in button.dataset;
}

function showLobbies(lobbies) {
  // Lobbies outlive their players for a while, but who wants to wait in an empty one?
  const items = lobbies.filter(({ members }) => members > 0).map((lobby) => {
    const id = codeOf(String(lobby.id));
    const button = element("button", { type: "button" }, element("code", {}, id), element("span", {}, `${lobby.members} of ${lobby.capacity}`));
    if (lobby.members >= lobby.capacity) button.dataset.full = "";
    button.disabled = isBusy || "full" in button.dataset;
    button.addEventListener("click", () => joinLobby(id));
    return element("li", {}, button);
  });
  $("lobbies").replaceChildren(...items);
  $("open").hidden = items.length === 0;
}

/** The list of players: for the eyes behind the count, and for those who do not see the canvas. */
function showPlayers() {
  if (!game) return;
  const players = [...game.players.values()];
  $("player-count").textContent = String(players.length);
  $("player-word").textContent = players.length === 1 ? "player" : "players";
  const items = players.map((player) => {
    const dot = element("i", {});
    dot.style.background = `hsl(${player.hue} 80% 65%)`;
    const name = player.id === game.selfId ? `${player.name} (you)` : player.name;
    const item = element("li", { "data-user-id": player.id }, dot, name);
    if (player.isPlaced) {
      Object.assign(item.dataset, { x: round(player.x), y: round(player.y) });
      item.append(element("small", {}, `${Math.round(player.x)}, ${Math.round(player.y)}`));
    }
    return item;
  });
  $("roster").replaceChildren(...items);
}

async function measureLatency() {
  if (!realtime.connected) return;
  const latencyMs = await realtime.ping().catch(() => null);
  if (latencyMs === null) return;
  $("latency-text").textContent = `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`;
  $("latency").dataset.quality = latencyMs < 80 ? "good" : latencyMs < 200 ? "fair" : "bad";
}

/** Others' text goes into the page as text only, never as markup. */
function addChatLine({ name, hue, text }) {
  const author = element("b", {}, name);
  author.style.color = `hsl(${hue} 80% 72%)`;
  addLine(element("li", {}, author, ` ${text}`));
}

function addNote(text) {
  addLine(element("li", { class: "note" }, text));
}

function addLine(line) {
  const log = $("chat-log");
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.childElementCount > CHAT_LINES) log.firstElementChild.remove();
  if (wasAtEnd) log.scrollTop = log.scrollHeight;
}

async function sendChat(text) {
  try {
    await realtime.request("send_chat", { message: text });
    return true;
  } catch (error) {
    addNote(`Not sent: ${friendly(error)}`);
    return false;
  }
}

let bannerTimer = 0;

function showBanner(text, forMs) {
  clearBanner();
  $("banner").textContent = text;
  $("banner").hidden = false;
  if (forMs) bannerTimer = setTimeout(clearBanner, forMs);
}

function clearBanner() {
  clearTimeout(bannerTimer);
  $("banner").hidden = true;
}

function hideHint() {
  $("hint").classList.add("gone");
}

async function copyLink() {
  const label = $("share-label");
  try {
    await navigator.clipboard.writeText(location.href);
    label.textContent = "Copied";
  } catch {
    // Without https there is no clipboard: the link can still be taken by hand.
    prompt("The link to this lobby:", location.href);
  }
  setTimeout(() => {
    label.textContent = "Copy link";
  }, 1_500);
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A colour for each player, the same on every screen. */
function hueOf(userId) {
  let hash = 2166136261;
  for (const letter of String(userId)) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619);
  return (hash >>> 0) % 360;
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function round(value) {
  return Math.round(value * 10) / 10;
}

// ---------------------------------------------------------------- start

const controls = new Controls($("arena"));
const view = new View($("arena"));

$("create").addEventListener("click", createLobby);
$("leave").addEventListener("click", leave);
$("share").addEventListener("click", copyLink);
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  joinLobby($("code").value);
});
$("chat-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = $("chat-text");
  const text = input.value.trim();
  if (text === "") return;
  input.value = "";
  if (!(await sendChat(text)) && input.value === "") input.value = text;
});
$("chat-text").addEventListener("keydown", (event) => {
  if (event.key === "Escape") $("arena").focus({ preventScroll: true });
});
addEventListener("hashchange", () => {
  const code = codeOf(location.hash);
  if (code && code !== game?.code) joinLobby(code);
});

let lastFrameAt = performance.now();
function frame(now) {
  // A tab that was hidden comes back with one small step, not with a leap.
  const elapsedMs = clamp(now - lastFrameAt, 0, 100);
  lastFrameAt = now;
  game?.step(now, elapsedMs);
  view.draw(game, now, elapsedMs);
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

setInterval(() => game && showPlayers(), 250);
setInterval(measureLatency, PING_INTERVAL_MS);
setInterval(refreshLobbies, LOBBY_LIST_INTERVAL_MS);

refreshLobbies();
if (location.hash.length > 1) joinLobby(location.hash);
