-- DropIndex
DROP INDEX "run_occurrence";

-- CreateTable
CREATE TABLE "JobHour" (
    "jobId" TEXT NOT NULL,
    "hour" DATETIME NOT NULL,
    "succeeded" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "timedOut" INTEGER NOT NULL,
    "cancelled" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "lag" TEXT NOT NULL,
    "duration" TEXT NOT NULL,

    PRIMARY KEY ("jobId", "hour")
);

-- CreateTable
CREATE TABLE "Maintenance" (
    "since" DATETIME NOT NULL PRIMARY KEY,
    "until" DATETIME,
    "note" TEXT NOT NULL,
    "by" TEXT
);

-- CreateIndex
CREATE UNIQUE INDEX "run_occurrence" ON "Run"("jobId", "occurrence");
