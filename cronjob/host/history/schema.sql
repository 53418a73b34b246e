-- The history of a daemon: version 1.
--
-- Instants are microseconds since 1970-01-01 00:00 UTC, durations are seconds.  Nothing that is
-- true is ever stored twice: what a run waits for follows from its attempts and `retry_at`.

-- How far the daemon has come; one row.
CREATE TABLE daemon (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    batch INTEGER NOT NULL,     -- transactions of a daemon so far
    planned INTEGER,            -- every fire time up to here has its record; NULL: none has yet
    high_water INTEGER,         -- fixed schedules are quiet up to here
    passes INTEGER NOT NULL,    -- how often the clock has gone back, plus one
    repeats_until INTEGER,      -- fire times up to here are of the latest pass
    boot TEXT NOT NULL,         -- in which boot it runs
    stopped INTEGER,            -- when it finished stopping; NULL: it runs, or was killed
    interrupted TEXT NOT NULL,  -- @reboot entries that its stop ended: a JSON list of labels
    launcher_pid INTEGER,
    launcher_ticks INTEGER      -- when the launcher started, in clock ticks since boot
);
INSERT INTO daemon (id, batch, passes, boot, interrupted) VALUES (1, 0, 1, '', '[]');

-- When each distinct schedule fires next.
CREATE TABLE schedules (
    schedule TEXT PRIMARY KEY,  -- canonical columns and zone
    next_at INTEGER             -- NULL: never again
) WITHOUT ROWID;

-- Every entry that has been in a table, as long as anything of it is kept.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,        -- the account of a user table; empty for a system table
    source TEXT NOT NULL,       -- the table
    name TEXT NOT NULL,
    label TEXT NOT NULL,        -- its name made unique among all loaded tables
    user TEXT,                  -- whom its command runs as; NULL: the daemon's own account
    definition TEXT NOT NULL,   -- hash of what it does, and when
    schedule TEXT NOT NULL,     -- as in schedules
    since INTEGER NOT NULL,     -- when this schedule of it came into force
    gone INTEGER NOT NULL,      -- 1: it is in no table any more
    UNIQUE (owner, source, name)
);
CREATE INDEX entries_by_label ON entries (label);

-- One entry at one fire time.  The two constraints are the claim: who inserts it may run it.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    entry INTEGER NOT NULL REFERENCES entries (id),
    fire INTEGER NOT NULL,      -- or when it was asked for
    pass INTEGER NOT NULL,      -- 0: somebody asked for it
    nominal TEXT NOT NULL,      -- the wall time that the table asked for
    caught_up INTEGER NOT NULL, -- 1: its fire time was missed, and it was made up for
    begun INTEGER NOT NULL,     -- when the daemon took it up
    user TEXT,                  -- whom its command ran as
    command TEXT NOT NULL,
    retry_at INTEGER,           -- when its next attempt is planned for
    over_at INTEGER,
    outcome TEXT,               -- NULL: it has not ended
    why TEXT NOT NULL DEFAULT '',
    UNIQUE (entry, fire, pass)
);
CREATE INDEX runs_by_fire ON runs (fire);
CREATE INDEX runs_by_user ON runs (user, fire);
CREATE INDEX runs_unfinished ON runs (id) WHERE outcome IS NULL;
CREATE INDEX runs_failed ON runs (fire) WHERE outcome IN (
    'failed', 'gave-up', 'lost', 'missed', 'not-started', 'signaled', 'timed-out'
);

-- One process of a run.
CREATE TABLE attempts (
    run INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,    -- from 1
    host TEXT NOT NULL,
    launched INTEGER NOT NULL,
    waited REAL NOT NULL,       -- before the launch
    waits TEXT NOT NULL,        -- what for, and how long: a JSON list of pairs; empty for none
    pid INTEGER,
    ticks INTEGER,              -- when its start was heard of, in clock ticks since boot
    ended INTEGER,
    outcome TEXT,               -- NULL: it runs, or nobody saw how it ended
    code INTEGER,               -- exit status
    signal INTEGER,
    seconds REAL,
    status INTEGER,             -- as wait(2) has it; NULL: it never ran, or was lost
    error TEXT,                 -- why it never ran
    lost INTEGER,               -- 1: nobody saw its end
    user_seconds REAL,          -- CPU time
    system_seconds REAL,
    max_rss INTEGER,            -- bytes
    left_behind INTEGER,        -- processes that outlived it
    out_of_memory INTEGER,      -- 1: the kernel ended processes of it, for its limit of memory
    survivors TEXT,             -- pids that could not be ended: a JSON list; empty for none
    printed INTEGER,            -- bytes of output
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- What attempts printed; no row for one that printed nothing.
CREATE TABLE outputs (
    run INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,
    head BLOB NOT NULL,
    tail BLOB NOT NULL,
    left_out INTEGER NOT NULL,  -- bytes between the two
    PRIMARY KEY (run, number)
);

-- Fire times of an entry that passed without a start: one row for all of an interval.
CREATE TABLE missed (
    id INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entries (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX missed_by_entry ON missed (entry, last);
CREATE INDEX missed_by_last ON missed (last);

-- Mails and hooks that follow a run.
CREATE TABLE notices (
    run INTEGER NOT NULL REFERENCES runs (id),
    kind TEXT NOT NULL,
    target TEXT NOT NULL,       -- recipients, empty: its user; or a command
    user TEXT,                  -- who sends it; NULL: the daemon's own account
    sender TEXT NOT NULL,       -- these three of a mail, empty otherwise
    content_type TEXT NOT NULL,
    transfer_encoding TEXT NOT NULL,
    sent_at INTEGER,            -- or given up; NULL: it is to be sent
    problem TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, kind)
) WITHOUT ROWID;
CREATE INDEX notices_pending ON notices (run) WHERE sent_at IS NULL;
