-- Holds: an operator keeps an account from being cut automatically, for a time. Why: audit_lines.
ALTER TABLE accounts ADD COLUMN hold_until timestamptz; -- no meter of it is cut for credit before this; none: no hold was given, or it was lifted
