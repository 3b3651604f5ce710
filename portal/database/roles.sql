-- The three roles of the portal and their rights in one database. Can be run again at any time.
--
-- On a server of your own, as an administrator:
--
--     createdb portal
--     psql -d portal -v owner_password=… -v app_password=… -v operator_password=… -f roles.sql
--
-- portal_owner     owns the database and its tables; used for migrations only
-- portal_app       web and workers; sees the rows of the tenant that is set, by row security
-- portal_operator  operator pages, tick and claim; gets its rights table by table in migrations
--
-- None of them may be a superuser or bypass row security: the portal refuses to start if one is.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['portal_owner', 'portal_app', 'portal_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        ELSIF EXISTS (
            SELECT FROM pg_roles WHERE rolname = name AND (rolsuper OR rolbypassrls)
        ) THEN
            RAISE EXCEPTION 'role % must be neither superuser nor bypassrls', name;
        END IF;
    END LOOP;
    -- An administrator who is no superuser (a managed server) acts for the owner as a member.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT portal_owner TO %I', current_user);
    END IF;
END
$$;

ALTER ROLE portal_owner PASSWORD :'owner_password';
ALTER ROLE portal_app PASSWORD :'app_password';
ALTER ROLE portal_operator PASSWORD :'operator_password';

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

ALTER DATABASE :"DBNAME" OWNER TO portal_owner;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO portal_app, portal_operator;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO portal_app, portal_operator;

ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portal_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO portal_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO portal_operator;
