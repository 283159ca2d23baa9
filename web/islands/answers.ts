// What the server answers with.

// Problem is an answer that says what went wrong, in words for people.
export class Problem extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

// ask gets the JSON of a page. It throws a Problem, or an AbortError when the signal ends it.
export async function ask<T>(address: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem("the server does not answer", "is smiley server still running?");
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer as T;
  const known = (answer as { error?: { message?: string; hint?: string } } | null)?.error;
  throw new Problem(known?.message ?? `the server answered with ${response.status}`, known?.hint ?? "reload the page");
}

// query writes parameters; those that are empty or zero are left out.
export function query(parameters: Record<string, string | number>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value !== 0) out.set(name, String(value));
  }
  const text = out.toString();
  return text === "" ? "" : "?" + text;
}
