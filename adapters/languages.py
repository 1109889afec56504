"""The catalogue: a row for each version of each language, and how a script in it is run anywhere."""

from application.ports.sandbox import Runtime

PYTHON_EXAMPLE = """\
import sys
import time

print("Hello from Python", sys.version.split()[0])
for count in range(1, 4):
    time.sleep(0.5)
    print("still here:", count)
"""

NODE_EXAMPLE = """\
const { setTimeout: sleep } = require("node:timers/promises");

async function main() {
  console.log("Hello from Node.js", process.versions.node);
  for (let count = 1; count <= 3; count++) {
    await sleep(500);
    console.log("still here:", count);
  }
}

main();
"""

RUBY_EXAMPLE = """\
$stdout.sync = true

puts "Hello from Ruby #{RUBY_VERSION}"
(1..3).each do |count|
  sleep 0.5
  puts "still here: #{count}"
end
"""

BASH_EXAMPLE = """\
echo "Hello from Bash $BASH_VERSION"
for count in 1 2 3; do
    sleep 0.5
    echo "still here: $count"
done
"""

GO_EXAMPLE = """\
package main

import (
	"fmt"
	"runtime"
	"time"
)

func main() {
	fmt.Println("Hello from Go", runtime.Version())
	for count := 1; count <= 3; count++ {
		time.Sleep(500 * time.Millisecond)
		fmt.Println("still here:", count)
	}
}
"""

GO_BUILD = 'HOME=/tmp GOMAXPROCS=2 GODEBUG=installgoroot=all "$0" build -o /tmp/program "$1" && exec /tmp/program'
"""`go run` would hide the exit code. The standard library is taken as it is compiled, which Go 1.20 and later must be
told; two threads, as those of many cores would be more than a run's processes."""


def _row(language: str, version: str, command: tuple[str, ...], ending: str, example: str) -> Runtime:
    return Runtime(language, version, command, f"script.{ending}", f"runledger/{language}:{version}", example)


ROWS = (
    *(_row("python", f"3.{minor}", (f"python3.{minor}",), "py", PYTHON_EXAMPLE) for minor in range(9, 14)),
    *(_row("node", version, ("node",), "js", NODE_EXAMPLE) for version in ("18", "20", "21", "22", "23", "24")),
    *(_row("ruby", f"3.{minor}", ("ruby",), "rb", RUBY_EXAMPLE) for minor in range(1, 5)),
    *(_row("bash", version, ("bash",), "sh", BASH_EXAMPLE) for version in ("5.2", "5.3")),
    *(_row("go", f"1.{minor}", ("sh", "-c", GO_BUILD, "go"), "go", GO_EXAMPLE) for minor in range(19, 27)),
)
"""The versions of a language from the oldest to the newest."""
