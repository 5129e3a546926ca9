-- The card's tables, one query each, in the order in which they are computed.
-- A header line gives the block's name in the template, the table that must be there, and the title.
-- {set} stands for each training set and {tokens} for its column of response lengths; a set without one has no
-- sum of tokens and no lengths. Tables and columns: factory/publishing/run_sql.py.

-- funnel | ledger | Rows in, out and dropped per step
SELECT folder, unit, rows_in, rows_out, rows_dropped
FROM ledger
ORDER BY position;

-- dropped | ledger_dropped | Dropped rows by reason
SELECT folder, reason, rows
FROM ledger_dropped
ORDER BY folder, rows DESC, reason;

-- models | verdicts | Models that answered
SELECT sampler, model, count(*) AS responses
FROM verdicts
GROUP BY sampler, model
ORDER BY responses DESC, sampler, model;

-- origins | verdicts | Responses that came with their problems
SELECT source_set, source_revision, model, licence, count(*) AS responses
FROM verdicts
WHERE sampler = 'import'
GROUP BY source_set, source_revision, model, licence
ORDER BY responses DESC, source_set, model, licence;

-- sampling | verdicts | How the responses were sampled (- where nobody knows)
SELECT sampler, model, temperature, top_p, max_tokens, count(*) AS responses
FROM verdicts
GROUP BY sampler, model, temperature, top_p, max_tokens
ORDER BY responses DESC, sampler, model, temperature;

-- reuse | totals | What responses that were there already saved
SELECT name, value
FROM totals
WHERE folder = 'responses/teacher' AND name IN ('reused', 'spared', 'usd_spared')
ORDER BY name;

-- status | verdicts | How the responses ended
SELECT status, count(*) AS responses
FROM verdicts
GROUP BY status
ORDER BY responses DESC, status;

-- verdicts | verdicts | Verdicts by method
SELECT method, verdict, count(*) AS responses
FROM verdicts
GROUP BY method, verdict
ORDER BY responses DESC, method, verdict;

-- bands | difficulty | Pass rate of the student
SELECT band, count(*) AS problems, avg(pass_rate) AS mean_pass_rate, sum(attempts) AS rollouts
FROM difficulty
GROUP BY band
ORDER BY mean_pass_rate;

-- cost | totals | Tokens and dollars
SELECT folder, name, value
FROM totals
WHERE name IN ('prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'usd')
ORDER BY folder, name;

-- benchmarks | checked_against | Benchmarks checked against
SELECT DISTINCT benchmark, problems, revision, licence
FROM checked_against
ORDER BY benchmark;

-- decontamination | totals | Decontamination certificate
SELECT folder, name, value, text
FROM totals
WHERE step LIKE 'decontaminate%' AND name NOT LIKE 'certificate.benchmarks.%'
ORDER BY folder, name;

-- deduplication | totals | Deduplication audit
SELECT folder, name, value, text
FROM totals
WHERE step LIKE 'dedup%'
ORDER BY folder, name;

-- verifier_errors | verifier_errors | Errors of the verifier on labelled answers
SELECT cases, labelled_right, right_rejected, labelled_wrong, wrong_accepted, undecided
FROM verifier_errors
ORDER BY cases;

-- verification | totals | Counts of the verification step
SELECT folder, name, value, text
FROM totals
WHERE step LIKE 'verify%'
ORDER BY folder, name;

-- pairs | totals | Lint of the preference pairs
SELECT folder, name, value, text
FROM totals
WHERE step LIKE 'preference%' OR step LIKE 'pairs%'
ORDER BY folder, name;

-- evaluation | evaluation | Students trained on this data
SELECT benchmark, stage, name, value
FROM evaluation
WHERE name IN ('pass_at_1', 'low', 'high', 'questions')
ORDER BY benchmark, stage, name;

-- {set}_size | {set} | Size of {set}
SELECT count(*) AS rows, count(DISTINCT problem_id) AS problems, sum({tokens}) AS tokens
FROM {set};

-- {set}_domains | {set} | Domains of {set}
SELECT domain, count(*) AS rows
FROM {set}
GROUP BY domain
ORDER BY rows DESC, domain;

-- {set}_levels | {set} | Levels of {set}
SELECT level, count(*) AS rows
FROM {set}
GROUP BY level
ORDER BY rows DESC, level;

-- {set}_licences | {set} | Sources and licences of {set}
SELECT source, licence, count(*) AS rows
FROM {set}
GROUP BY source, licence
ORDER BY rows DESC, source, licence;

-- {set}_lengths | {set} | Response lengths of {set}, tokens
SELECT min({tokens}) AS shortest,
    quantile_disc({tokens}, 0.1) AS p10,
    quantile_disc({tokens}, 0.5) AS median,
    quantile_disc({tokens}, 0.9) AS p90,
    quantile_disc({tokens}, 0.99) AS p99, max({tokens}) AS longest
FROM {set};
