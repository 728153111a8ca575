-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Instance" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "roles" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "startedAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME NOT NULL,
    "running" INTEGER NOT NULL,
    "capacity" INTEGER NOT NULL,
    "handlers" TEXT NOT NULL DEFAULT '[]',
    "skew" INTEGER
);
INSERT INTO "new_Instance" ("capacity", "host", "id", "lastSeenAt", "roles", "running", "startedAt", "version") SELECT "capacity", "host", "id", "lastSeenAt", "roles", "running", "startedAt", "version" FROM "Instance";
DROP TABLE "Instance";
ALTER TABLE "new_Instance" RENAME TO "Instance";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "job_handler" ON "Job"("handler", "id") WHERE "handler" IS NOT NULL AND "deletedAt" IS NULL;
