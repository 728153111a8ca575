-- DropIndex
DROP INDEX "run_occurrence";

-- CreateTable
CREATE TABLE "JobHour" (
    "jobId" TEXT COLLATE "C" NOT NULL,
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "succeeded" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "timedOut" INTEGER NOT NULL,
    "cancelled" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "lag" TEXT COLLATE "C" NOT NULL,
    "duration" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "JobHour_pkey" PRIMARY KEY ("jobId","hour")
);

-- CreateTable
CREATE TABLE "Maintenance" (
    "since" TIMESTAMPTZ(3) NOT NULL,
    "until" TIMESTAMPTZ(3),
    "note" TEXT COLLATE "C" NOT NULL,
    "by" TEXT COLLATE "C",

    CONSTRAINT "Maintenance_pkey" PRIMARY KEY ("since")
);

-- CreateIndex
CREATE UNIQUE INDEX "run_occurrence" ON "Run"("jobId", "occurrence");
