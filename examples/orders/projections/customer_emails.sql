-- SPDX-License-Identifier: Apache-2.0
-- Which customer has which e-mail address: kept by the registration's own append, so that nobody else can have it too.
-- @projection customer_emails
-- @version 1
-- @mode inline

-- @create
CREATE TABLE customer_emails (email TEXT PRIMARY KEY, customer_id TEXT NOT NULL);

-- @on CustomerRegistered
INSERT INTO customer_emails (email, customer_id) VALUES (lower(:data.email), :aggregate_id);
