-- What was reversed and refunded is listed by time, as vends are.
CREATE INDEX reversals_by_time ON reversals (site_id, created_at);
CREATE INDEX refunds_by_time ON refunds (site_id, created_at);
