-- CreateTable
CREATE TABLE "Job" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "liveName" TEXT,
    "searchText" TEXT NOT NULL,
    "description" TEXT,
    "tags" TEXT NOT NULL,
    "schedule" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "target" TEXT NOT NULL,
    "targetKind" TEXT NOT NULL,
    "handler" TEXT,
    "payload" TEXT,
    "policies" TEXT NOT NULL,
    "pauseSince" DATETIME,
    "pauseUntil" DATETIME,
    "pauseNote" TEXT,
    "pauseBy" TEXT,
    "version" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "updatedAt" DATETIME NOT NULL,
    "deletedAt" DATETIME
);

-- CreateTable
CREATE TABLE "JobPosition" (
    "jobId" TEXT NOT NULL PRIMARY KEY,
    "version" INTEGER NOT NULL,
    "plannedUntil" DATETIME NOT NULL,
    "wakeAt" DATETIME,
    "nextRunAt" DATETIME,
    "scheduledRuns" INTEGER NOT NULL,
    "activeRuns" INTEGER NOT NULL,
    "trailingVerdictId" TEXT,
    "failuresInRow" INTEGER NOT NULL,
    "completed" BOOLEAN NOT NULL,
    "lastRunId" TEXT,
    "lastRunStatus" TEXT,
    "lastRunAt" DATETIME,
    CONSTRAINT "JobPosition_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "JobTag" (
    "tag" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,

    PRIMARY KEY ("tag", "jobId"),
    CONSTRAINT "JobTag_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Revision" (
    "jobId" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "schedule" TEXT NOT NULL,
    "from" DATETIME NOT NULL,
    "until" DATETIME,

    PRIMARY KEY ("jobId", "number"),
    CONSTRAINT "Revision_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Run" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "jobId" TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "occurrence" DATETIME,
    "counted" BOOLEAN NOT NULL DEFAULT true,
    "scheduledFor" DATETIME NOT NULL,
    "dueAt" DATETIME NOT NULL,
    "queuedAt" DATETIME NOT NULL,
    "startedAt" DATETIME,
    "finishedAt" DATETIME,
    "cancelRequestedAt" DATETIME,
    "heldBy" TEXT,
    "priority" INTEGER NOT NULL,
    "concurrencyKey" TEXT,
    "maxConcurrency" INTEGER,
    "coalesced" INTEGER NOT NULL DEFAULT 0,
    "payload" TEXT,
    "output" TEXT,
    "error" TEXT,
    "progress" REAL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "attemptStatus" TEXT,
    "attemptStartedAt" DATETIME,
    "attemptsUsed" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" DATETIME,
    "instanceId" TEXT,
    "jobVersion" INTEGER,
    "leaseUntil" DATETIME,
    "rerunOfId" TEXT,
    "triggeredBy" TEXT,
    "idempotencyKey" TEXT,
    "idempotencyHash" TEXT,
    "cursor" BIGINT NOT NULL,
    "changedAt" DATETIME NOT NULL,
    CONSTRAINT "Run_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Attempt" (
    "runId" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "status" TEXT NOT NULL,
    "startedAt" DATETIME NOT NULL,
    "finishedAt" DATETIME NOT NULL,
    "error" TEXT,
    "instanceId" TEXT,
    "jobVersion" INTEGER NOT NULL,

    PRIMARY KEY ("runId", "number"),
    CONSTRAINT "Attempt_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LogLine" (
    "runId" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" DATETIME NOT NULL,
    "attempt" INTEGER NOT NULL,
    "level" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "fields" TEXT,

    PRIMARY KEY ("runId", "seq"),
    CONSTRAINT "LogLine_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Verdict" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "jobId" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "verdict" TEXT NOT NULL,
    "first" DATETIME NOT NULL,
    "last" DATETIME NOT NULL,
    "count" INTEGER NOT NULL,
    "reason" TEXT,
    "runId" TEXT
);

-- CreateTable
CREATE TABLE "JobMinute" (
    "jobId" TEXT NOT NULL,
    "minute" DATETIME NOT NULL,
    "instanceId" TEXT NOT NULL,
    "succeeded" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "timedOut" INTEGER NOT NULL,
    "cancelled" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "lag" TEXT NOT NULL,
    "duration" TEXT NOT NULL,

    PRIMARY KEY ("minute", "jobId", "instanceId")
);

-- CreateTable
CREATE TABLE "JobEvent" (
    "cursor" BIGINT NOT NULL PRIMARY KEY,
    "jobId" TEXT NOT NULL,
    "change" TEXT NOT NULL,
    "at" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "Instance" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "roles" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "startedAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME NOT NULL,
    "running" INTEGER NOT NULL,
    "capacity" INTEGER NOT NULL
);

-- CreateTable
CREATE TABLE "Setting" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "Job_liveName_key" ON "Job"("liveName");

-- CreateIndex
CREATE INDEX "job_updated_at" ON "Job"("updatedAt", "id");

-- CreateIndex
CREATE INDEX "job_deleted" ON "Job"("deletedAt") WHERE "deletedAt" IS NOT NULL;

-- CreateIndex
CREATE INDEX "position_wake_at" ON "JobPosition"("wakeAt") WHERE "wakeAt" IS NOT NULL;

-- CreateIndex
CREATE INDEX "position_next_run_at" ON "JobPosition"("nextRunAt", "jobId");

-- CreateIndex
CREATE INDEX "position_last_run_at" ON "JobPosition"("lastRunAt", "jobId");

-- CreateIndex
CREATE INDEX "job_tag_job" ON "JobTag"("jobId");

-- CreateIndex
CREATE UNIQUE INDEX "Run_cursor_key" ON "Run"("cursor");

-- CreateIndex
CREATE INDEX "run_of_job" ON "Run"("jobId", "id");

-- CreateIndex
CREATE INDEX "run_scheduled_for" ON "Run"("scheduledFor", "id");

-- CreateIndex
CREATE INDEX "run_finished_at" ON "Run"("finishedAt", "id") WHERE "finishedAt" IS NOT NULL;

-- CreateIndex
CREATE INDEX "run_active" ON "Run"("jobId", "dueAt", "id") WHERE "finishedAt" IS NULL;

-- CreateIndex
CREATE INDEX "run_ready" ON "Run"("priority" DESC, "dueAt", "id") WHERE "status" = 'QUEUED' AND "heldBy" IS NULL;

-- CreateIndex
CREATE INDEX "run_leased" ON "Run"("leaseUntil") WHERE "status" = 'RUNNING';

-- CreateIndex
CREATE INDEX "run_retrying" ON "Run"("nextAttemptAt") WHERE "status" = 'RETRYING';

-- CreateIndex
CREATE INDEX "run_concurrency" ON "Run"("concurrencyKey", "priority" DESC, "dueAt", "id") WHERE "concurrencyKey" IS NOT NULL AND "finishedAt" IS NULL;

-- CreateIndex
CREATE UNIQUE INDEX "run_occurrence" ON "Run"("occurrence", "jobId");

-- CreateIndex
CREATE UNIQUE INDEX "run_idempotency" ON "Run"("jobId", "idempotencyKey") WHERE "idempotencyKey" IS NOT NULL;

-- CreateIndex
CREATE INDEX "verdict_of_job" ON "Verdict"("jobId", "last");
