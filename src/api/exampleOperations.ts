/** Operations that GraphiQL has ready in its tabs, in the order in which a newcomer tries them. */
export interface ExampleOperation {
  readonly title: string
  /** Runs as it stands, without variables, on an empty system. */
  readonly query: string
}

export const exampleOperations: readonly ExampleOperation[] = [
  {
    title: 'Every 10 seconds',
    query: `# A job in three lines: when, what, and how. Without a target it uses the built-in handler "log",
# which writes the payload into the run's log. Run it twice: onConflict KEEP answers the job that is there.
mutation CreateHeartbeat {
  createJob(
    input: {
      name: "heartbeat"
      description: "Shows that the scheduler is alive."
      tags: ["demo"]
      schedule: { interval: { every: "10s" } }
      payload: { message: "still here" }
      onConflict: KEEP
    }
  ) {
    created
    job {
      id
      state
      nextRunAt
      schedule { description }
    }
    # What is wrong with a request comes here, never as a failed request: see the tab "Errors as data".
    errors { code message path }
  }
}
`,
  },
  {
    title: 'Watch it run',
    query: `# Live: every change of a run of the heartbeat and all other jobs. Leave it open and look on from another tab.
# To go on after a disconnection, send the last cursor you dealt with as "after": nothing is lost.
subscription WatchRuns {
  jobRuns(filter: { finalOnly: false }) {
    cursor
    at
    run {
      id
      status
      trigger
      scheduledFor
      lag
      duration
      attempt
      job { name }
    }
  }
}
`,
  },
  {
    title: 'Cron in a time zone',
    query: `# A webhook on weekdays at half past two in Kathmandu. The times follow that wall clock, whatever the server's own zone.
# It is created paused, so that nothing is called before you say so: resumeJob lets it go.
mutation CreateWeekdayReport {
  createJob(
    input: {
      name: "weekday report"
      tags: ["demo", "report"]
      schedule: { cron: { expression: "30 14 * * MON-FRI", timezone: "Asia/Kathmandu" } }
      target: { http: { url: "https://example.com/hooks/report", expectStatus: ["200", "202"] } }
      payload: { format: "pdf" }
      policies: { maxAttempts: 5, timeout: "30s", misfire: LATEST }
      pause: { note: "Until the receiver is ready." }
      onConflict: KEEP
    }
  ) {
    job {
      id
      state
      pause { since note by }
      target {
        description
        ... on HttpTarget { method expectStatus hasOwnSecret }
      }
    }
    errors { code message path }
  }
}
`,
  },
  {
    title: 'Preview a schedule',
    query: `# What a schedule would do, without storing anything. This one falls into the hour that Berlin's clocks skip in March.
query Preview {
  previewSchedule(
    schedule: { cron: { expression: "30 2 * * *", timezone: "Europe/Berlin" } }
    from: "2027-03-26T00:00:00Z"
    count: 5
  ) {
    description
    next
    warnings { code message at }
    errors { code message path }
  }
}
`,
  },
  {
    title: 'List jobs and their runs',
    query: `# A page of jobs, soonest first, each with its newest runs. Go on with "after: <endCursor>".
query Overview {
  jobs(first: 20, filter: { state: [ACTIVE, PAUSED] }, orderBy: { field: NEXT_RUN_AT, direction: ASC }) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes {
      id
      name
      state
      schedule { description }
      nextRunAt
      upcoming(count: 3)
      lastRun { status finishedAt }
      runs(first: 3) {
        nodes { id status scheduledFor lag duration attempts { number status duration } }
      }
    }
  }
}
`,
  },
  {
    title: 'Trigger now',
    query: `# A run of its own, now: it never moves the schedule. The idempotency key makes the call safe to repeat:
# within a day the same call answers the same run.
# Take the id from the tab "List jobs and their runs"; with this one you see what an unknown job answers.
mutation TriggerNow {
  triggerJob(
    input: { id: "job_of_yours", payload: { message: "by hand" }, overlap: ALLOW_ALL, idempotencyKey: "first try" }
  ) {
    replayed
    run { id status triggeredBy }
    errors { code message path }
  }
}
`,
  },
  {
    title: 'Follow a log',
    query: `# The log of a run as it is written, first line first; it completes when the run has ended.
# Take an id from the tab "Watch it run"; with this one you see what an unknown run answers.
# To page through a log instead: { run(id: "…") { logs(last: 100) { nodes { at level message } } } }
subscription FollowLog {
  runLogs(runId: "run_of_yours") {
    cursor
    line { seq at attempt level message fields }
  }
}
`,
  },
  {
    title: 'Every instant explained',
    query: `# The ledger: what became of each instant of a schedule, with a reason where it did not run, and what is planned next.
# The audit counts what was planned and what is recorded, each by itself: missing and duplicated are 0.
query Ledger {
  jobs(first: 5) {
    nodes {
      name
      occurrences(from: "2026-01-01T00:00:00Z", to: "2036-01-01T00:00:00Z", last: 10) {
        nodes { verdict at until count reason run { id status } }
      }
      audit(from: "2026-01-01T00:00:00Z", to: "2036-01-01T00:00:00Z") {
        from planned accounted pending missing duplicated
      }
    }
  }
}
`,
  },
  {
    title: 'Errors as data',
    query: `# Everything that is wrong with a request is told at once, each with the path of what it is about.
mutation Mistakes {
  createJob(
    input: {
      name: ""
      schedule: { cron: { expression: "0 0 30 2 *", timezone: "Mars/Olympus" } }
      target: { http: { url: "http://169.254.169.254/" } }
      policies: { misfire: ALL, overlap: SKIP }
    }
  ) {
    created
    errors { code message path }
  }
}
`,
  },
  {
    title: 'Who and where am I',
    query: `# The server's clock and version, who is asking, and which handlers a job can name.
query About {
  system { now version engine }
  viewer { name scopes }
  handlers { name description payloadSchema }
  # Ask for this beside what you show, then subscribe with it as "after": nothing falls between.
  streamPosition
}
`,
  },
]
