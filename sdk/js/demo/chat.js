// The chat: its lines, and the form that sends one.

import { $, element } from "./dom.js";
import { stage } from "./stage.js";
import { friendly } from "./words.js";

const CHAT_LINES = 200;

export function addChatLine({ name, hue, text }) {
  const author = element("b", {}, name);
  author.style.color = `hsl(${hue} 80% 72%)`;
  addLine(element("li", {}, author, ` ${text}`));
}

/** A line of the page's own. */
export function addNote(text) {
  addLine(element("li", { class: "note" }, text));
}

export function clearChat() {
  $("chat-log").replaceChildren();
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
    await stage.room.request("send_chat", { message: text });
    return true;
  } catch (error) {
    addNote(`Not sent: ${friendly(error)}`);
    return false;
  }
}

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
