"use strict";
for (const code of document.querySelectorAll("code.filter")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  code.after(button);
}
const value = (row, column) => {
  const cell = row.cells[column];
  const text = cell ? cell.dataset.sort || cell.textContent.trim() : "";
  const number = Number(text.replaceAll(",", ""));
  return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  if (!body || body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((one, two) => {
        const a = value(one, column), b = value(two, column);
        const order = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
  if (body.rows.length < 12 || !heads.length) continue;
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Search this table";
  search.setAttribute("aria-label", search.placeholder);
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.before(search);
}
const open = () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
};
addEventListener("beforeprint", open);
const target = () => {
  const element = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (element && element.tagName === "DETAILS") element.open = true;
};
addEventListener("hashchange", target);
target();
