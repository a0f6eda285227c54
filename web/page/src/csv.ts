/** Tables as text: RFC 4180 with commas, semicolons or tabs. */

/** Return the cells of each line that is not empty, and the number of that line in the text. */
export function readCsv(text: string): { line: number; cells: string[] }[] {
  const separator = separatorOf(text);
  const rows: { line: number; cells: string[] }[] = [];
  let [cells, cell, isQuoted, line, started] = [[] as string[], "", false, 1, 1];
  const endRow = (): void => {
    cells.push(cell);
    if (cells.length > 1 || cells[0]?.trim() !== "") {
      rows.push({ line: started, cells: cells.map((one) => one.trim()) });
    }
    [cells, cell] = [[], ""];
  };
  const plain = text.replace(/^\uFEFF/, "");
  for (let at = 0; at < plain.length; at += 1) {
    // A carriage return ends a line alone too, as old spreadsheets write it.
    const letter = plain[at] === "\r" && !isQuoted && plain[at + 1] !== "\n" ? "\n" : plain[at];
    if (letter === "\n") {
      line += 1;
    }
    if (isQuoted) {
      if (letter === '"' && plain[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else if (letter === '"') {
        isQuoted = false;
      } else {
        cell += letter;
      }
    } else if (letter === '"' && cell.trim() === "") {
      [cell, isQuoted] = ["", true];
    } else if (letter === separator) {
      cells.push(cell);
      cell = "";
    } else if (letter === "\n") {
      endRow();
      started = line;
    } else if (letter !== "\r") {
      cell += letter;
    }
  }
  if (cell !== "" || cells.length > 0) {
    endRow();
  }
  return rows;
}

const HEAD = 1_000_000; // letters in which the first line ends

function separatorOf(text: string): string {
  // Of the first line that is not empty, without what is quoted.
  const [first = ""] = text.slice(0, HEAD).replaceAll(/"(?:[^"]|"")*"/g, "").match(/[^\r\n]*[^\s][^\r\n]*/) ?? [];
  const count = (one: string): number => first.split(one).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best), ",");
}

/** Return a number as people and programs write it, or null. */
export function readNumber(cell: string): number | null {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : null;
}

/** Return rows as CSV; a cell that a spreadsheet would take for a formula is quoted as a text. */
export function writeCsv(rows: readonly (readonly (string | number)[])[]): string {
  return `${rows.map((row) => row.map(written).join(",")).join("\r\n")}\r\n`;
}

function written(cell: string | number): string {
  if (typeof cell === "number") {
    return String(cell);
  }
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
