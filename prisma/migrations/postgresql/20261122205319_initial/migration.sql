-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "Job" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "liveName" TEXT COLLATE "C",
    "searchText" TEXT COLLATE "C" NOT NULL,
    "description" TEXT COLLATE "C",
    "tags" TEXT COLLATE "C" NOT NULL,
    "schedule" TEXT COLLATE "C" NOT NULL,
    "revision" INTEGER NOT NULL,
    "target" TEXT COLLATE "C" NOT NULL,
    "targetKind" TEXT COLLATE "C" NOT NULL,
    "handler" TEXT COLLATE "C",
    "payload" TEXT COLLATE "C",
    "policies" TEXT COLLATE "C" NOT NULL,
    "pauseSince" TIMESTAMPTZ(3),
    "pauseUntil" TIMESTAMPTZ(3),
    "pauseNote" TEXT COLLATE "C",
    "pauseBy" TEXT COLLATE "C",
    "version" INTEGER NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL,
    "deletedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "JobPosition" (
    "jobId" TEXT COLLATE "C" NOT NULL,
    "version" INTEGER NOT NULL,
    "plannedUntil" TIMESTAMPTZ(3) NOT NULL,
    "wakeAt" TIMESTAMPTZ(3),
    "nextRunAt" TIMESTAMPTZ(3),
    "scheduledRuns" INTEGER NOT NULL,
    "activeRuns" INTEGER NOT NULL,
    "trailingVerdictId" TEXT COLLATE "C",
    "failuresInRow" INTEGER NOT NULL,
    "completed" BOOLEAN NOT NULL,
    "lastRunId" TEXT COLLATE "C",
    "lastRunStatus" TEXT COLLATE "C",
    "lastRunAt" TIMESTAMPTZ(3),

    CONSTRAINT "JobPosition_pkey" PRIMARY KEY ("jobId")
);

-- CreateTable
CREATE TABLE "JobTag" (
    "tag" TEXT COLLATE "C" NOT NULL,
    "jobId" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "JobTag_pkey" PRIMARY KEY ("tag","jobId")
);

-- CreateTable
CREATE TABLE "Revision" (
    "jobId" TEXT COLLATE "C" NOT NULL,
    "number" INTEGER NOT NULL,
    "schedule" TEXT COLLATE "C" NOT NULL,
    "from" TIMESTAMPTZ(3) NOT NULL,
    "until" TIMESTAMPTZ(3),

    CONSTRAINT "Revision_pkey" PRIMARY KEY ("jobId","number")
);

-- CreateTable
CREATE TABLE "Run" (
    "id" TEXT COLLATE "C" NOT NULL,
    "jobId" TEXT COLLATE "C" NOT NULL,
    "trigger" TEXT COLLATE "C" NOT NULL,
    "status" TEXT COLLATE "C" NOT NULL,
    "occurrence" TIMESTAMPTZ(3),
    "counted" BOOLEAN NOT NULL DEFAULT true,
    "scheduledFor" TIMESTAMPTZ(3) NOT NULL,
    "dueAt" TIMESTAMPTZ(3) NOT NULL,
    "queuedAt" TIMESTAMPTZ(3) NOT NULL,
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),
    "cancelRequestedAt" TIMESTAMPTZ(3),
    "heldBy" TEXT COLLATE "C",
    "priority" INTEGER NOT NULL,
    "concurrencyKey" TEXT COLLATE "C",
    "maxConcurrency" INTEGER,
    "coalesced" INTEGER NOT NULL DEFAULT 0,
    "payload" TEXT COLLATE "C",
    "output" TEXT COLLATE "C",
    "error" TEXT COLLATE "C",
    "progress" DOUBLE PRECISION,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "attemptStatus" TEXT COLLATE "C",
    "attemptStartedAt" TIMESTAMPTZ(3),
    "attemptsUsed" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3),
    "instanceId" TEXT COLLATE "C",
    "jobVersion" INTEGER,
    "leaseUntil" TIMESTAMPTZ(3),
    "rerunOfId" TEXT COLLATE "C",
    "triggeredBy" TEXT COLLATE "C",
    "idempotencyKey" TEXT COLLATE "C",
    "idempotencyHash" TEXT COLLATE "C",
    "cursor" BIGINT NOT NULL,
    "changedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Attempt" (
    "runId" TEXT COLLATE "C" NOT NULL,
    "number" INTEGER NOT NULL,
    "status" TEXT COLLATE "C" NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL,
    "finishedAt" TIMESTAMPTZ(3) NOT NULL,
    "error" TEXT COLLATE "C",
    "instanceId" TEXT COLLATE "C",
    "jobVersion" INTEGER NOT NULL,

    CONSTRAINT "Attempt_pkey" PRIMARY KEY ("runId","number")
);

-- CreateTable
CREATE TABLE "LogLine" (
    "runId" TEXT COLLATE "C" NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "attempt" INTEGER NOT NULL,
    "level" TEXT COLLATE "C" NOT NULL,
    "message" TEXT COLLATE "C" NOT NULL,
    "fields" TEXT COLLATE "C",

    CONSTRAINT "LogLine_pkey" PRIMARY KEY ("runId","seq")
);

-- CreateTable
CREATE TABLE "Verdict" (
    "id" TEXT COLLATE "C" NOT NULL,
    "jobId" TEXT COLLATE "C" NOT NULL,
    "revision" INTEGER NOT NULL,
    "verdict" TEXT COLLATE "C" NOT NULL,
    "first" TIMESTAMPTZ(3) NOT NULL,
    "last" TIMESTAMPTZ(3) NOT NULL,
    "count" INTEGER NOT NULL,
    "reason" TEXT COLLATE "C",
    "runId" TEXT COLLATE "C",

    CONSTRAINT "Verdict_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "JobMinute" (
    "jobId" TEXT COLLATE "C" NOT NULL,
    "minute" TIMESTAMPTZ(3) NOT NULL,
    "instanceId" TEXT COLLATE "C" NOT NULL,
    "succeeded" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "timedOut" INTEGER NOT NULL,
    "cancelled" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "lag" TEXT COLLATE "C" NOT NULL,
    "duration" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "JobMinute_pkey" PRIMARY KEY ("minute","jobId","instanceId")
);

-- CreateTable
CREATE TABLE "JobEvent" (
    "cursor" BIGINT NOT NULL,
    "jobId" TEXT COLLATE "C" NOT NULL,
    "change" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "JobEvent_pkey" PRIMARY KEY ("cursor")
);

-- CreateTable
CREATE TABLE "Instance" (
    "id" TEXT COLLATE "C" NOT NULL,
    "roles" TEXT COLLATE "C" NOT NULL,
    "host" TEXT COLLATE "C" NOT NULL,
    "version" TEXT COLLATE "C" NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL,
    "lastSeenAt" TIMESTAMPTZ(3) NOT NULL,
    "running" INTEGER NOT NULL,
    "capacity" INTEGER NOT NULL,

    CONSTRAINT "Instance_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Setting" (
    "name" TEXT COLLATE "C" NOT NULL,
    "value" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "Setting_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "Job_liveName_key" ON "Job"("liveName");

-- CreateIndex
CREATE INDEX "job_updated_at" ON "Job"("updatedAt", "id");

-- CreateIndex
CREATE INDEX "job_deleted" ON "Job"("deletedAt") WHERE ("deletedAt" IS NOT NULL);

-- CreateIndex
CREATE INDEX "position_wake_at" ON "JobPosition"("wakeAt") WHERE ("wakeAt" IS NOT NULL);

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
CREATE INDEX "run_finished_at" ON "Run"("finishedAt", "id") WHERE ("finishedAt" IS NOT NULL);

-- CreateIndex
CREATE INDEX "run_active" ON "Run"("jobId", "dueAt", "id") WHERE ("finishedAt" IS NULL);

-- CreateIndex
CREATE INDEX "run_ready" ON "Run"("priority" DESC, "dueAt", "id") WHERE ("status" = 'QUEUED' AND "heldBy" IS NULL);

-- CreateIndex
CREATE INDEX "run_leased" ON "Run"("leaseUntil") WHERE ("status" = 'RUNNING');

-- CreateIndex
CREATE INDEX "run_retrying" ON "Run"("nextAttemptAt") WHERE ("status" = 'RETRYING');

-- CreateIndex
CREATE INDEX "run_concurrency" ON "Run"("concurrencyKey", "priority" DESC, "dueAt", "id") WHERE ("concurrencyKey" IS NOT NULL AND "finishedAt" IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "run_occurrence" ON "Run"("occurrence", "jobId");

-- CreateIndex
CREATE UNIQUE INDEX "run_idempotency" ON "Run"("jobId", "idempotencyKey") WHERE ("idempotencyKey" IS NOT NULL);

-- CreateIndex
CREATE INDEX "verdict_of_job" ON "Verdict"("jobId", "last");

-- AddForeignKey
ALTER TABLE "JobPosition" ADD CONSTRAINT "JobPosition_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "JobTag" ADD CONSTRAINT "JobTag_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Revision" ADD CONSTRAINT "Revision_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Run" ADD CONSTRAINT "Run_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "LogLine" ADD CONSTRAINT "LogLine_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
