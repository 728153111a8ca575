-- Written by hand: what no model can say.
--
-- Positions of the stream of changes. Numbers of a sequence are given before the commit, and transactions commit in another order, so that
-- whoever reads "all behind 41" must not be shown 43 while 42 is still to come. Therefore every transaction marks where it began to draw:
-- a shared advisory lock whose key holds the value that the sequence had before. Nobody waits for it, and it goes with the transaction,
-- however that ends. The head is then the highest position that was committed, or the least mark that still stands, whichever is lower.
--
-- The key of the lock: 337 in the upper bits, which makes it ours among all advisory locks of the database, and the position in the lower 53.
CREATE SEQUENCE "streamCursor" AS BIGINT START 1 CACHE 1;

-- Marks where a transaction begins to draw. Before the first number is drawn: a reader that sees a number of ours finds the mark, or our commit.
CREATE FUNCTION "orrery_mark"() RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  "given" BIGINT;
BEGIN
  SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END INTO "given" FROM "streamCursor";
  PERFORM pg_advisory_xact_lock_shared((337::BIGINT << 53) + "given");
  RETURN "given";
END
$$;

-- Draws positions for a transaction that has taken all its row locks: the position of a run then only ever rises.
CREATE FUNCTION "orrery_cursors"("wanted" INTEGER) RETURNS BIGINT[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM "orrery_mark"();
  RETURN ARRAY(SELECT nextval('"streamCursor"') FROM generate_series(1, "wanted"));
END
$$;

-- The highest position that may have been given to anybody.
CREATE FUNCTION "orrery_stream_given"() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM "streamCursor"
$$;

-- Every change up to this position is committed and can be read by a statement that begins now. It is the highest position that was committed,
-- not the highest that was given: a crash takes back numbers that only transactions drew that were not committed, and gives them again, and
-- nobody must have been told that there is nothing behind them.
CREATE FUNCTION "orrery_stream_head"() RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  "committed" BIGINT;
  "marked" BIGINT;
BEGIN
  -- In this order, each with a snapshot of its own. Whoever drew a lower number than one that is committed by now had marked it before, and
  -- has committed or still shows its mark. What was removed counts too, for clients were told of it.
  SELECT greatest((SELECT max("cursor") FROM "Run"), (SELECT max("cursor") FROM "JobEvent"),
      (SELECT max(value::BIGINT) FROM "Setting" WHERE name IN ('streamHead', 'streamFloor', 'jobStreamFloor')), 0) INTO "committed";
  SELECT min(("classid"::BIGINT << 32 | "objid"::BIGINT) & ((1::BIGINT << 53) - 1)) INTO "marked"
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND ("classid"::BIGINT << 32 | "objid"::BIGINT) >> 53 = 337
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
  RETURN least("committed", "marked");
END
$$;

-- How many runs of a concurrency key go, and the least bound that any of them asks for: each a look at a few entries, however many wait.
CREATE INDEX "run_concurrency_going" ON "Run"("concurrencyKey") WHERE ("concurrencyKey" IS NOT NULL AND "finishedAt" IS NULL AND "heldBy" IS NULL);
CREATE INDEX "run_concurrency_bound" ON "Run"("concurrencyKey", "maxConcurrency") WHERE ("concurrencyKey" IS NOT NULL AND "finishedAt" IS NULL);

-- These change with every run. Left to the defaults they would be cleaned up when a fifth of all rows is dead, far too late for a long history.
ALTER TABLE "JobPosition" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE "Run" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- A row of figures is written again with every settlement of its minute, and one of an hour with each of its minutes. With room left on
-- its page a new version needs no new entry in the index, and takes the place of an old one.
ALTER TABLE "JobMinute" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE "JobHour" SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
