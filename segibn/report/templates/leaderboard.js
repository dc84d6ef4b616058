"use strict";
// Sort a table by a column, hide rows that do not match.
(() => {
  const tables = [...document.querySelectorAll(".board-table")];
  const value = (row, column) => {
    const cell = row.children[column];
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const order = (table, header, column) => {
    const isNumber = "number" in header.querySelector("button").dataset;
    const old = header.getAttribute("aria-sort");
    const down = old ? old === "ascending" : isNumber;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    const compare = (a, b) => {
      if (!isNumber) return a.children[column].textContent.localeCompare(b.children[column].textContent);
      const [x, y] = [value(a, column), value(b, column)];
      if (x === null || y === null) return (x === null) - (y === null) || 0;
      return x - y;
    };
    rows.sort((a, b) => {
      const missing = isNumber && (value(a, column) === null || value(b, column) === null);
      return missing || !down ? compare(a, b) : -compare(a, b);  // a dash is last either way
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of tables) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button")?.addEventListener("click", () => order(table, header, column));
    });
  }

  const [network, train, year, published] = ["network", "train", "year", "published"].map((id) => document.getElementById(id));
  const filter = () => {
    let shown = 0;
    for (const table of tables) {
      let own = 0;
      for (const row of table.tBodies[0].rows) {
        const has = (cell, input) => cell.textContent.toLowerCase().includes(input.value.trim().toLowerCase());
        const when = Number(row.querySelector(".board-year")?.dataset.value ?? 0);
        const fits = has(row.children[0], network) && has(row.children[1], train) && when >= Number(year.value);
        row.hidden = !fits || (row.classList.contains("board-published") && !published.checked);
        own += !row.hidden;
      }
      table.closest(".board").hidden = own === 0;
      shown += own;
    }
    document.getElementById("count").textContent = `${shown} ${shown === 1 ? "row" : "rows"}`;
  };
  document.querySelector(".board-filter").addEventListener("submit", (event) => event.preventDefault());
  for (const input of [network, train, year, published]) input.addEventListener("input", filter);
  filter();
})();
