let highest = 0;

/** Remembers a position of the log that this page was told of. */
export function sawPosition(position: number): void {
  highest = Math.max(highest, position);
}

/** The query that makes a read model wait until it holds everything this page knows of. */
export function notOlder(): { min_position?: number } {
  return highest > 0 ? { min_position: highest } : {};
}
