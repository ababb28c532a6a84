// What every page does by itself: asks before what cannot be undone, says what came of an action, keeps its tables
// fresh, keeps the colours that were chosen. Everything else is HTML and htmx.

const PATIENCE = 10_000; // ms between two looks when nothing is told: countdowns go on meanwhile
const PAUSE = 2_000; // ms at least between two looks, however much happens

// --- what was said

const said = document.getElementById("said");

export function say(text, bad = false) {
  const box = document.createElement("div");
  box.className = bad ? "is-bad" : "";
  box.setAttribute("role", bad ? "alert" : "status");
  const words = document.createElement("p");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain";
  close.textContent = "Close";
  close.addEventListener("click", () => box.remove());
  box.append(words, close);
  said.replaceChildren(box);
}

function answer(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.request.method === "GET" || ctx.swap !== "none") return;
  const found = answer(ctx.text);
  const { status } = ctx.response;
  if (status === 401) location.reload(); // the session is over: the page leads to the login
  else if (status >= 400) say([found.detail ?? `The gateway answered ${status}.`, ...(found.problems ?? [])].join("\n"), true);
  else if (found.done) say(`${found.done}.`, found.ok === false);
  change();
});

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const { json } = ctx.sourceElement.dataset;
  if (!json) return;
  ctx.request.body = json;
  ctx.request.headers["Content-Type"] = "application/json";
});

// --- asking first

const ask = document.getElementById("ask");
let asking = null;

document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  event.preventDefault();
  asking = { yes: issueRequest, no: dropRequest };
  ask.querySelector("#ask-what").textContent = ctx.confirm;
  ask.querySelector("[value=yes]").textContent = ctx.sourceElement.textContent.trim();
  ask.returnValue = "";
  ask.showModal();
});
ask?.addEventListener("close", () => {
  (ask.returnValue === "yes" ? asking?.yes : asking?.no)?.();
  asking = null;
});

// --- staying fresh

let looked = 0;
let waiting = null;

function change() {
  if (document.hidden) return;
  clearTimeout(waiting);
  const now = performance.now();
  if (now - looked < PAUSE) {
    waiting = setTimeout(change, PAUSE - (now - looked));
    return;
  }
  looked = now;
  waiting = setTimeout(change, PATIENCE);
  document.body.dispatchEvent(new CustomEvent("hilum:change"));
}

const silent = document.getElementById("silent");
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (!ctx) return;
  silent.hidden = false;
  if (ctx.request.method !== "GET") say("The gateway did not answer: nothing was done. Try again.", true);
});
document.addEventListener("htmx:before:response", (event) => {
  const { request, response: { raw } } = event.detail.ctx;
  // What is shown is better than nothing: the next look may succeed.
  if (request.method === "GET" && raw.status >= 400) event.preventDefault();
  else silent.hidden = true;
  if (raw.redirected && new URL(raw.url).pathname === "/login") {
    event.preventDefault();
    location.reload();
  }
});

if (document.getElementById("live")) {
  let events = null;
  const listen = () => {
    events = new EventSource("/api/v1/events");
    events.addEventListener("change", change);
  };
  listen();
  waiting = setTimeout(change, PATIENCE);
  // Browsers allow few connections to one server: pages that nobody sees leave theirs to others.
  document.addEventListener("visibilitychange", () => {
    events.close();
    if (document.hidden) return;
    listen();
    change();
  });
}

// --- light and dark

const theme = document.getElementById("theme");
const root = document.documentElement;

function isDark() {
  const chosen = root.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function label() {
  theme.textContent = isDark() ? "Light colours" : "Dark colours";
}
theme?.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  document.cookie = `hilum-theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=strict`;
  label();
  document.dispatchEvent(new CustomEvent("hilum:colours"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  label();
  document.dispatchEvent(new CustomEvent("hilum:colours"));
});
label();
