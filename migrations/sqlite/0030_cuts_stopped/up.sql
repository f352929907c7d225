-- No disconnect that was ordered before is sent, or sent again.
ALTER TABLE sites ADD COLUMN cuts_stopped_at INTEGER; -- when the stop button was pressed last; null: never
