#!/usr/bin/env bash
# Reads an access log on stdin; prints which pages were asked for most and what was answered.
# Exits with 3 when the server itself failed, so that it can be used as a check.
set -euo pipefail
export LC_ALL=C

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cat >"$log"

most_frequent() { sort | uniq -c | sort -k1,1nr -k2 | sed 's/^ *//'; }

echo "Requests: $(wc -l <"$log" | tr -d ' ')"
echo
echo "Pages:"
cut -d' ' -f3 "$log" | cut -d'?' -f1 | most_frequent | head -n 3
echo
echo "Answers:"
cut -d' ' -f4 "$log" | most_frequent

failed=$(cut -d' ' -f4 "$log" | grep -c '^5' || true)
if ((failed > 0)); then
	echo
	echo "$failed requests failed in the server:"
	grep ' 5[0-9][0-9]$' "$log" | sed 's/^/  /'
	exit 3
fi
