// A few notes, made on the spot. A browser lets a page sound only after a key or a click; until then, and where a player wants it,
// the game is silent.

import { $ } from "./dom.js";

/** Each sound: its notes in Hz, one after the other. */
const SOUNDS = {
  gem: [880, 1320],
  treasure: [660, 880, 1100, 1320],
  start: [440, 554, 659],
  end: [659, 554, 440],
};
const NOTE_S = 0.08;
const LOUDNESS = 0.06;

let audio = null;
let isOn = true;

export function chime(name) {
  if (!isOn || document.hidden || !navigator.userActivation?.hasBeenActive) return;
  audio ??= new AudioContext();
  SOUNDS[name].forEach((pitch, index) => play(pitch, audio.currentTime + index * NOTE_S));
}

function play(pitch, at) {
  const [tone, volume] = [audio.createOscillator(), audio.createGain()];
  tone.type = "triangle";
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(LOUDNESS, at);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 2 * NOTE_S);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 2 * NOTE_S);
}

$("sound").addEventListener("click", () => {
  isOn = !isOn;
  $("sound").setAttribute("aria-pressed", String(isOn));
});
