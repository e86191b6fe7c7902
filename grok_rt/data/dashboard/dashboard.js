"use strict";
// What the server tells is shown: cards of sessions with who spoke when, and events as they pass.
// All text gets into the page as text, never as markup.

const WINDOW = 30; // seconds that a lane shows
const SAID = 4; // utterances that a card quotes
const KEPT = 600; // events in the list
const $ = (id) => document.getElementById(id);

const sessions = new Map(); // number -> {told, card}
let events = [];
let chosen = null; // the session whose events are shown; null: all
let offset = 0; // the server's clock less ours, in seconds
let total = 0;

const clock = () => performance.now() / 1000 + offset;
const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// --- sessions ----------------------------------------------------------------------------

function newCard(number) {
  const card = make("article", "card");
  const top = make("div", "top");
  const parts = {
    name: make("b", "", `Session ${number}`),
    state: make("span", "state"),
    id: make("span", "id mono"),
    facts: make("span", "facts"),
  };
  top.append(parts.name, parts.state, parts.id, parts.facts);
  const lanes = make("div", "lanes");
  const words = make("div", "words");
  card.append(top, lanes, words);
  card.addEventListener("click", () => choose(chosen === number ? null : number));
  $("cards").prepend(card);
  return { card, lanes, words, parts, spans: [] };
}

function showSession(told) {
  let session = sessions.get(told.n);
  if (!session) {
    session = newCard(told.n);
    sessions.set(told.n, session);
  }
  session.told = told;
  const { parts, card } = session;
  const over = told.ended !== null;
  const clean = told.code === 1000 || told.code === 1001 || told.code === 1005;
  card.classList.toggle("over", over);
  parts.state.className = `state ${over ? (clean ? "" : "bad") : "live"}`;
  parts.state.textContent = over ? `ended ${told.code}` : "live";
  parts.state.title = told.reason;
  parts.id.textContent = told.id.slice(0, 8);
  parts.id.title = told.id;
  const said = told.spans.filter(([, , , text]) => text).slice(-SAID);
  session.words.replaceChildren(...said.map(([who, , , text]) => make("p", who, text)));
}

function drawLanes(now) {
  for (const session of sessions.values()) {
    const { told, lanes, parts } = session;
    const until = told.ended === null ? now : Math.max(told.ended, told.opened + 1);
    const since = told.ended === null ? now - WINDOW : Math.max(told.opened, until - WINDOW);
    const width = told.ended === null ? WINDOW : Math.max(until - since, 10);
    parts.facts.textContent =
      `${told.up} up · ${told.down} down · ${minutes((told.ended ?? now) - told.opened)}`;
    const shown = told.spans.filter(([, , end]) => end === null || end > since);
    while (session.spans.length < shown.length) {
      const element = make("div");
      lanes.append(element);
      session.spans.push(element);
    }
    session.spans.forEach((element, i) => {
      element.hidden = i >= shown.length;
      if (element.hidden) return;
      const [who, start, end, text] = shown[i];
      const last = end === null ? until : end;
      element.className = `span ${who}${end === null ? " open" : ""}`;
      const from = Math.max(0, ((start - since) / width) * 100);
      element.style.left = `${from}%`;
      if (who !== "tool") {
        element.style.width = `${Math.min(100, ((last - since) / width) * 100) - from}%`;
        if (element.textContent !== text) element.textContent = text;
      } else {
        element.style.width = "";
        element.textContent = "";
      }
      element.title = text || who;
    });
  }
  for (const [number, { told, card }] of sessions) {
    if (told.ended !== null && sessions.size > 80) {
      card.remove();
      sessions.delete(number);
    }
  }
  const live = [...sessions.values()].filter(({ told }) => told.ended === null).length;
  $("live").textContent = live;
  $("ended").textContent = sessions.size - live;
  $("count").textContent = total.toLocaleString("en");
  $("uptime").textContent = minutes(Math.max(0, now));
  $("empty").hidden = sessions.size > 0;
}

// --- events ------------------------------------------------------------------------------

const isSound = (event) => event.type === "input_audio_buffer.append" || event.type === "response.output_audio.delta";
const isShown = (event) => (chosen === null || event.n === chosen) && ($("sound").checked || !isSound(event));

function row(event) {
  const way = event.way === "up" ? "→" : "←";
  const bad = event.type === "error" || event.type === "(no event)" || (event.type === "(closed)" && !/^100[015]/.test(event.text));
  const item = make("li", `${event.way}${bad ? " bad" : ""}`);
  const what = make("span", "what");
  what.append(make("span", "type", event.type));
  if (event.times > 1) what.append(make("span", "times", `× ${event.times}`));
  if (event.text) what.append(make("span", "text", event.text));
  what.title = event.text || event.type;
  item.append(make("span", "t", event.t.toFixed(2)), make("span", "n", `#${event.n}`), make("span", "way", way), what);
  item.dataset.i = event.i;
  return item;
}

function showEvents(fresh) {
  const list = $("events");
  for (const event of fresh) {
    if (event.i <= total) continue; // told before
    total = event.i;
    const last = events[events.length - 1];
    if (last && isSound(event) && last.type === event.type && last.n === event.n) {
      if (isShown(last) && list.lastChild) list.lastChild.remove();
      events.pop();
    }
    events.push(event);
    if (isShown(event)) list.append(row(event));
  }
  if (events.length > KEPT) events = events.slice(-KEPT);
  while (list.childElementCount > KEPT) list.firstChild.remove();
  if ($("follow").checked) list.scrollTop = list.scrollHeight;
}

function redraw() {
  $("events").replaceChildren(...events.filter(isShown).map(row));
  if ($("follow").checked) $("events").scrollTop = $("events").scrollHeight;
}

function choose(number) {
  chosen = number;
  for (const [n, { card }] of sessions) card.classList.toggle("chosen", n === number);
  $("all").hidden = number === null;
  redraw();
}

// --- the stream --------------------------------------------------------------------------

function listen() {
  const stream = new EventSource("events");
  stream.addEventListener("everything", (message) => {
    const told = JSON.parse(message.data);
    for (const { card } of sessions.values()) card.remove();
    sessions.clear();
    events = [];
    total = 0;
    $("events").replaceChildren();
    take(told);
  });
  stream.addEventListener("news", (message) => take(JSON.parse(message.data)));
  stream.addEventListener("error", () => {
    $("line").className = "line off";
    $("line").textContent = "server is gone";
  });
}

function take(told) {
  offset = told.now - performance.now() / 1000;
  $("line").className = "line on";
  $("line").textContent = "listening";
  told.sessions.forEach(showSession);
  drawLanes(clock());
  showEvents(told.events);
}

const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/realtime`;
$("address").textContent = url;
$("snippet").textContent =
  `export GROK_RT_URL=${url}\nexport XAI_API_KEY=any\npython -c 'import grok_rt; print(grok_rt.GrokClient().connect().ask("Hello?").text)'`;
$("sound").addEventListener("change", redraw);
$("follow").addEventListener("change", redraw);
$("all").addEventListener("click", () => choose(null));
setInterval(() => drawLanes(clock()), 100);
listen();
