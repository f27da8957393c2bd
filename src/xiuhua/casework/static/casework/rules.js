// The place of a fault is one click away: the line is selected and scrolled into sight.
const area = document.getElementById("text");

for (const link of document.querySelectorAll("[data-line]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const lines = area.value.split("\n");
    const line = Math.min(Number(link.dataset.line), lines.length) - 1;
    const start = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(Math.min(start + Number(link.dataset.column) - 1, start + lines[line].length), start + lines[line].length);
    area.scrollTop = (area.scrollHeight / lines.length) * Math.max(line - 4, 0);
  });
}
