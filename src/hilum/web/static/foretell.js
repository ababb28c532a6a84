// Asks what would happen to a file: reads its beginning, which is enough, and shows the gateway's answer step by step.

// By the address that the page has it under: by another one it would run a second time.
const { say } = await import(document.querySelector('script[src*="/desk.js"]').src);

const HEAD = 65_536; // bytes that tell what a file is
const SIGNS = { yes: ["good", "✓"], ignored: ["warn", "▲"], look: ["warn", "▲"], no: ["bad", "✕"] };

const form = document.getElementById("would");
const told = document.getElementById("told");

function part(kind, text, className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

function row(stage) {
  const made = document.createElement("tr");
  const [mood, sign] = SIGNS[stage.verdict];
  const state = part("span", "", `state is-${mood}`);
  const mark = part("span", sign);
  mark.setAttribute("aria-hidden", "true");
  state.append(mark, stage.verdict);
  const cells = [state, part("span", stage.step), part("span", [stage.what, stage.why].filter(Boolean).join(": "))];
  cells.push(part("span", stage.line, "muted"));
  for (const [name, content] of [["Verdict", cells[0]], ["Step", cells[1]], ["What", cells[2]], ["Decided by", cells[3]]]) {
    const cell = part("td", "", content === cells[2] || content === cells[3] ? "break" : "");
    cell.dataset.label = name;
    cell.append(content);
    made.append(cell);
  }
  for (const remedy of stage.remedies) made.children[2].append(part("p", remedy.text, "todo"));
  return made;
}

async function foretell() {
  const [file] = form.file.files;
  const address = new URL("/api/v1/explain/would/file", location);
  address.searchParams.set("sender", form.sender.value);
  address.searchParams.set("size", file.size);
  const token = JSON.parse(document.body.getAttribute("hx-headers:inherited") ?? "{}");
  const headers = { "content-type": "application/octet-stream", ...token };
  const answer = await fetch(address, { method: "POST", headers, body: await file.slice(0, HEAD).arrayBuffer() });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? `The gateway answered ${answer.status}.`);
  told.querySelector("h3").textContent = found.summary;
  told.querySelector("tbody").replaceChildren(...found.stages.map(row));
  told.hidden = false;
  told.querySelector("h3").focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  foretell().catch((error) => say(error.message, true));
});
