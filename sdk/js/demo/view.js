// The picture: a canvas as big as the window, and on it a game, or the backdrop of the start screen.

import { Camera } from "./camera.js";
import { controls, JOYSTICK_PX } from "./controls.js";
import { $ } from "./dom.js";
import { drawPopUps } from "./effects.js";
import { drawBody, drawBubble, drawJoystick, drawName, drawTrail } from "./figures.js";
import { drawGems } from "./gems.js";
import { drawBackdrop, drawGround } from "./ground.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

class View {
  #canvas;
  #context;
  #camera = new Camera();
  #widthPx = 0;
  #heightPx = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  toScreen(point) {
    return this.#camera.toScreen(point);
  }

  draw(game, now, elapsedMs) {
    const density = this.#canvas.width / this.#widthPx;
    this.#context.setTransform(density, 0, 0, density, 0, 0);
    this.#context.fillStyle = "#0b0e17";
    this.#context.fillRect(0, 0, this.#widthPx, this.#heightPx);
    if (game) this.#drawGame(game, now, elapsedMs);
    else drawBackdrop(this.#context, this.#widthPx, this.#heightPx, calm.matches ? 0 : now);
  }

  #drawGame(game, now, elapsedMs) {
    const [context, camera] = [this.#context, this.#camera];
    camera.follow(game, this.#widthPx, this.#heightPx, elapsedMs);
    drawGround(context, camera, game.arena);
    drawGems(context, camera, game, now, calm.matches);
    const { drawn, self, rounds } = game;
    if (!calm.matches) for (const player of drawn) drawTrail(context, camera, player, now);
    for (const player of drawn) drawBody(context, camera, player, player === self, player.id === rounds.leaderId);
    for (const player of drawn) drawName(context, camera, player, player === self);
    for (const player of drawn) drawBubble(context, camera, player, this.#widthPx, now);
    drawPopUps(context, camera, now, calm.matches);
    if (controls.joystick) drawJoystick(context, controls.joystick, JOYSTICK_PX);
  }

  #resize() {
    const density = Math.min(devicePixelRatio || 1, 2);
    this.#widthPx = this.#canvas.clientWidth || innerWidth;
    this.#heightPx = this.#canvas.clientHeight || innerHeight;
    this.#canvas.width = Math.round(this.#widthPx * density);
    this.#canvas.height = Math.round(this.#heightPx * density);
  }
}

export const view = new View($("arena"));
