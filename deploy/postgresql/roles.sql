-- Run once by the administrator of PostgreSQL 14 or later, as a superuser:
--   psql --file deploy/postgresql/roles.sql
-- then set both passwords (\password NAME), write vault.postgresql in the site's file, and
--   tonewall vault migrate --user tonewall_owner --password-file FILE
-- which makes the tables and lets tonewall_vault do its work on them: read, add, replace a sealed card, forget answers to
-- old requests. It can change or delete no audit record, no token and no key, and make no table (PCI DSS 7.2.2, 10.3.2).

CREATE ROLE tonewall_owner LOGIN;
CREATE ROLE tonewall_vault LOGIN;
CREATE DATABASE tonewall OWNER tonewall_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE tonewall FROM PUBLIC;
GRANT CONNECT ON DATABASE tonewall TO tonewall_vault;
\connect tonewall
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO tonewall_owner;
