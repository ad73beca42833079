// Shows /openapi.json, without anything from elsewhere.

import { json } from "./calls.js";
import { startTheme } from "./theme.js";

startTheme(document.createElement("button"));
document.getElementById("origin").textContent = location.origin;

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

// Text with `code` in it.
function prose(text, className = "") {
  const made = element("span", "", className);
  made.append(...text.split("`").map((part, index) => element(index % 2 ? "code" : "span", part)));
  return made;
}

function table(heads, rows) {
  const made = element("table");
  const head = element("tr");
  head.append(...heads.map((text) => element("th", text)));
  made.append(head);
  for (const row of rows) {
    const line = element("tr");
    line.append(...row.map((text, index) => (index === 0 ? code(text) : element("td", text))));
    made.append(line);
  }
  return made;
}

function code(text) {
  const cell = element("td");
  cell.append(element("code", text));
  return cell;
}

function kindOf(schema = {}) {
  if (schema.anyOf) return schema.anyOf.map(kindOf).filter((kind) => kind !== "null").join(" or ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  return schema.type === "array" ? `${kindOf(schema.items)}, repeatable` : schema.type ?? "";
}

function operation(path, verb, about) {
  const box = element("details");
  const line = element("summary");
  const what = (about.description ?? about.summary ?? "").split("\n")[0];
  line.append(element("span", verb.toUpperCase(), "verb"), element("code", path), prose(what, "what"));
  const inside = element("div", "", "inside");
  const parameters = (about.parameters ?? []).map((each) => [each.name, kindOf(each.schema), each.required ? "required" : "", each.description ?? ""]);
  if (parameters.length) inside.append(table(["parameter", "kind", "", "meaning"], parameters));
  if (about.requestBody?.description) inside.append(prose(`Body: ${about.requestBody.description}`, "hint"));
  const answers = Object.entries(about.responses ?? {}).map(([status, each]) => [status, answerKind(each), each.description]);
  inside.append(table(["status", "body", "meaning"], answers));
  box.append(line, inside);
  return box;
}

function answerKind(answer) {
  const [type, body] = Object.entries(answer.content ?? {})[0] ?? ["", {}];
  return kindOf(body?.schema) || type;
}

const api = await json("/openapi.json");
document.getElementById("about").append(prose(api.info.description));
const groups = new Map();
for (const [path, verbs] of Object.entries(api.paths)) {
  for (const [verb, about] of Object.entries(verbs)) {
    const tag = about.tags?.[0] ?? "other";
    if (!groups.has(tag)) groups.set(tag, [element("h2", tag)]);
    groups.get(tag).push(operation(path, verb, about));
  }
}
const place = document.getElementById("operations");
place.append(...[...groups.values()].flat());
place.setAttribute("aria-busy", "false");
