import type { Answer } from "../api/answers";
import { answer, client, fromPage } from "../api/client";
import { idempotencyKey } from "../api/idempotency";
import type { components } from "../api/schema";
import { notOlder, sawPosition } from "../api/position";
import { retried } from "../api/retry";

export type ExecutionPage = Answer<"/api/v1/executions">;
export type ExecutionItem = ExecutionPage["items"][number];
export type Execution = Omit<ExecutionItem, "title">;
export type ExecutionDetail = Answer<"/api/v1/executions/{id}">;
export type TimelineEvent = Answer<"/api/v1/executions/{id}/events">["items"][number];
export type Change = components["schemas"]["MeMessage"];
export type Stream = "stdout" | "stderr";

export function readExecution(id: string): Promise<ExecutionDetail> {
  return answer(client.GET("/api/v1/executions/{id}", { params: { path: { id }, query: notOlder() } }));
}

export async function readTimeline(id: string): Promise<TimelineEvent[]> {
  return (await answer(client.GET("/api/v1/executions/{id}/events", { params: { path: { id } } }))).items;
}

export function readExecutions(cursor: string | null, limit: number): Promise<ExecutionPage> {
  const query = { limit, ...notOlder(), ...(cursor ? { cursor } : {}) };
  return answer(client.GET("/api/v1/executions", { params: { query } }));
}

export async function cancelExecution(id: string): Promise<void> {
  const call = client.POST("/api/v1/executions/{id}/cancel", { params: { path: { id }, header: fromPage } });
  sawPosition((await answer(call)).position);
}

/** Adds to what a run reads, at an offset; where it goes on. The same is taken once, so it may be sent again. */
export async function giveInput(id: string, text: string, isLast: boolean, offset: number): Promise<number> {
  const params = { path: { id }, header: fromPage };
  const body = { ...(text ? { text } : {}), end: isLast, offset };
  const given = await retried(() => answer(client.POST("/api/v1/executions/{id}/stdin", { params, body })));
  sawPosition(given.position);
  return given.offset;
}

/** Runs the same again; the id of the new run. */
export async function retryExecution(id: string): Promise<string> {
  const params = { path: { id }, header: { ...fromPage, "Idempotency-Key": idempotencyKey() } };
  const accepted = await retried(() => answer(client.POST("/api/v1/executions/{id}/retry", { params })));
  sawPosition(accepted.position);
  return accepted.execution_id;
}

export function outputAddress(id: string, stream: Stream): string {
  return `/api/v1/executions/${encodeURIComponent(id)}/output/${stream}`;
}

export function streamAddress(id: string): string {
  return `/api/v1/events/executions/${encodeURIComponent(id)}`;
}

export const MY_STREAM = "/api/v1/events/me";
