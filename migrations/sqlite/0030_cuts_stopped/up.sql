-- No disconnect that was ordered before the stop button was pressed is sent, or sent again.
ALTER TABLE sites ADD COLUMN cuts_stopped_before INTEGER; -- orders below this identifier; null: it never was pressed
