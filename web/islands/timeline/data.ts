// What the server says of a time line: see docs/reference/urls.md.

export interface Call {
  seq: number;
  time_ns: number;
  parent: number;
  depth: number;
  function_id: number;
  end_ns: number | null;
  duration_ns: number | null;
  outcome: string;
  failed?: boolean;
  other?: boolean; // the filter does not choose it
}

export interface Dense {
  depth: number;
  from_ns: number;
  to_ns: number;
  calls: number;
  errors?: number;
  panics?: number;
  chosen?: number; // calls that the filter chooses
}

export interface Mark {
  seq: number;
  time_ns: number;
  call: number;
  event: string;
  count: number;
  last_ns: number;
  other?: boolean;
}

export interface Bucket {
  start_ns: number;
  calls: number;
  errors?: number;
  panics?: number;
  busy_ns: number;
}

export interface Goroutine {
  id: number;
  parent_goroutine: number;
  created_by: number;
  created_in: string;
  created_line: number;
  start_ns: number;
  end_ns: number | null;
}

export interface Track {
  goroutine: Goroutine;
  function_id: number;
  calls: Call[];
  dense: Dense[];
  marks: Mark[];
  buckets?: Bucket[];
}

export interface NamedFunction {
  name: string;
  short: string;
  tone: number;
}

export interface Answer {
  whole_ns: number;
  complete: boolean;
  narrowest_ns: number;
  bucket_ns?: number;
  filter?: string;
  partial?: boolean;
  functions: Record<string, NamedFunction>;
  program: Mark[];
  tracks: Track[];
  after?: number;
}

// A value of a call, as its page's JSON has it.
export interface Value {
  name: string;
  type: string;
  value: string;
}

export interface CallDetails {
  call: {
    seq: number;
    time_ns: number;
    goroutine: number;
    function: string;
    file: string;
    line: number;
    args?: Value[] | null;
    results?: Value[] | null;
    duration_ns?: number | null;
    self_ns?: number | null;
    failed?: boolean;
    outcome?: string;
  };
}

// ask fetches JSON; what the server says about a failure becomes the error's text.
export async function ask<T>(address: string, signal: AbortSignal): Promise<T> {
  const answer = await fetch(address, { credentials: "same-origin", signal });
  const body: unknown = await answer.json();
  if (!answer.ok) {
    const failure = (body as { error?: { message?: string; hint?: string } }).error;
    throw new Error([failure?.message ?? `the server answered ${answer.status}`, failure?.hint ?? ""].filter(Boolean).join(": "));
  }
  return body as T;
}
