import { asProblem } from "./problem";

const DELAYS_MS = [400, 1000, 2000, 4000];

/** Repeats an idempotent call while nobody answers. */
export async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (const delay of DELAYS_MS) {
    try {
      return await call();
    } catch (error) {
      if (!asProblem(error).isUnreachable) throw error;
      await new Promise((resume) => setTimeout(resume, delay));
    }
  }
  return call();
}
