// Keys, mouse and touch: which way the own player wants to go.

import { $ } from "./dom.js";
import { hideHint } from "./hud.js";
import { stage } from "./stage.js";

export const JOYSTICK_PX = 56;
/** How far from the player the mouse has to point for full speed. */
const MOUSE_PX = 30;
const KEYS = {
  up: ["KeyW", "ArrowUp"],
  left: ["KeyA", "ArrowLeft"],
  down: ["KeyS", "ArrowDown"],
  right: ["KeyD", "ArrowRight"],
};

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

  /** Where to, as a vector of length 0 to 1, for a player who is drawn at `self`. */
  heading(self) {
    const held = (names) => names.some((name) => this.#keys.has(name));
    const x = held(KEYS.right) - held(KEYS.left);
    const y = held(KEYS.down) - held(KEYS.up);
    if (x !== 0 || y !== 0) return { x: x / Math.hypot(x, y), y: y / Math.hypot(x, y) };
    return this.#pointer ? this.#pointerHeading(self) : { x: 0, y: 0 };
  }

  /** The joystick under a finger, or null. */
  get joystick() {
    return this.#pointer && this.#pointer.kind !== "mouse" ? this.#pointer : null;
  }

  #pointerHeading(self) {
    const { kind, from, at } = this.#pointer;
    // A finger covers what it points at, so it drags a joystick; a mouse says where to go.
    const target = kind === "mouse" ? self : from;
    const reach = kind === "mouse" ? MOUSE_PX : JOYSTICK_PX;
    const [dx, dy] = [at.x - target.x, at.y - target.y];
    const length = Math.hypot(dx, dy);
    if (length < 4) return { x: 0, y: 0 };
    const strength = Math.min(1, length / reach);
    return { x: (dx / length) * strength, y: (dy / length) * strength };
  }

  #keyDown(event) {
    if (!stage.game || event.ctrlKey || event.metaKey || event.altKey) return;
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
    if (!stage.game || this.#pointer || event.button !== 0) return;
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

export const controls = new Controls($("arena"));
