// Draws as the line reporters of test runners do: readline's cursorTo, clearLine and moveCursor.
const readline = require("readline");
const out = process.stdout;
let row = 0;
function update(text) {
  if (row++) {
    readline.moveCursor(out, 0, -1);
    readline.cursorTo(out, 0);
    readline.clearLine(out, 0);
  }
  out.write(text + "\n");
}
for (let test = 1; test <= 12; test++) {
  update(`\x1b[2m[${test}/12]\x1b[22m [chromium] › login.spec.ts:${test * 3}:1 › signs in`);
  if (test === 5) {
    readline.moveCursor(out, 0, -1);
    readline.clearLine(out, 0);
    out.write("  1) login.spec.ts:15:1 › signs in\n\n    Error: expected 200, got 503\n\n");
    row = 0;
  }
}
for (const frame of ["⠋", "⠙", "⠹", "⠸"]) {
  readline.cursorTo(out, 0);
  readline.clearLine(out, 1);
  out.write(`${frame} waiting`);
}
readline.cursorTo(out, 0);
readline.clearScreenDown(out);
out.write("  1 failed\n  11 passed (0.4s)\n");
