// A chat in one page: who is here, what they say, and what happens while the network is away. `#CODE` in the address names the room.

import { GodraClient } from "../../godra.js";
import { lobbyReducers } from "../../dist/lobby.js";

const SERVER = new URLSearchParams(location.search).get("server") ?? "http://localhost:8080";
const $ = (id) => document.getElementById(id);

const client = new GodraClient(SERVER);
try {
  const { username } = await client.auth.ensure();
  $("who").textContent = `You are ${username}.`;
  const code = location.hash.slice(1);
  const room = code ? await client.join(code, { prepare: listen }) : await client.createRoom({ capacity: 20, prepare: listen });
  location.hash = room.id;
  $("link").href = location.href;
  $("form").addEventListener("submit", (event) => say(event, room));
} catch (error) {
  showStatus("left", `${error.message}.`);
}

/** Called before the room connects, so that nothing is missed. */
function listen(room) {
  room.reduce(lobbyReducers);
  room.onChange(({ players }) => showPlayers(players));
  room.on("connected", () => {
    showStatus("joined", "Connected");
    showPlayers(room.state.players);
  });
  room.on("reconnecting", ({ attempt }) => showStatus("rejoining", `Connection lost, try ${attempt}…`));
  room.on("disconnected", ({ willReconnect, cause }) => {
    if (!willReconnect) showStatus("left", cause?.message ?? "You left.");
  });
  room.on("player_joined", ({ username }) => addNote(`${username} came in`));
  room.on("player_left", ({ username }) => addNote(`${username} left`));
  room.on("chat", ({ username, message }) => addLine(username, message));
}

/** Waits for the connection if there is none, and is said once, however often that is lost. */
async function say(event, room) {
  event.preventDefault();
  const message = $("text").value.trim();
  $("text").value = "";
  try {
    if (message) await room.request("send_chat", { message }, { once: true });
  } catch (error) {
    addNote(`Not sent: ${error.message}`);
  }
}

function showStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function showPlayers(players) {
  $("players").replaceChildren(...Object.values(players).map(({ username, away }) => element("li", away ? "away" : "", username)));
}

function addLine(name, text) {
  const line = element("li", "", ` ${text}`);
  line.prepend(element("b", "", name));
  $("lines").append(line);
  line.scrollIntoView();
}

function addNote(text) {
  $("lines").append(element("li", "note", text));
}

/** Text goes into the page as text, never as markup. */
function element(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text });
}
