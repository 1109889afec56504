import { answer, client } from "../api/client";
import { notOlder, sawPosition } from "../api/position";
import type { components } from "../api/schema";

export type Execution = components["schemas"]["Execution"];
export type ExecutionDetail = components["schemas"]["ExecutionDetail"];
export type ExecutionPage = components["schemas"]["ExecutionPage"];
export type TimelineEvent = components["schemas"]["TimelineEvent"];
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
  const call = client.POST("/api/v1/executions/{id}/cancel", { params: { path: { id } }, body: {} });
  sawPosition((await answer(call)).position);
}

export function outputAddress(id: string, stream: Stream): string {
  return `/api/v1/executions/${encodeURIComponent(id)}/output/${stream}`;
}

export function streamAddress(id: string): string {
  return `/api/v1/events/executions/${encodeURIComponent(id)}`;
}
