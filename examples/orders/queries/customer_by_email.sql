-- SPDX-License-Identifier: Apache-2.0
-- Who has an e-mail address; no row when nobody has.

-- @query customer_by_email
-- @reads customer_emails
-- @param email text
SELECT customer_id FROM customer_emails.customer_emails WHERE email = lower(:email)
