-- Copyright: (c) 2026, the labops.backup contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- What people add beside DataJoint: views, triggers, routines, an event, grants on single tables.
SET NAMES utf8mb4;
USE lab_session;

CREATE TABLE IF NOT EXISTS audit_trail (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  who varchar(255) NOT NULL,
  what varchar(255) COLLATE utf8mb4_bin NOT NULL,
  details longtext CHECK (json_valid(details)),
  what_length int AS (char_length(what)) STORED
);
CREATE TABLE IF NOT EXISTS tick (
  day date NOT NULL PRIMARY KEY,
  ticks int NOT NULL
);

DELIMITER $$
CREATE TRIGGER IF NOT EXISTS session_entered AFTER INSERT ON session FOR EACH ROW
BEGIN
  -- Runs with the rights of root, because people may not write the trail.
  INSERT INTO audit_trail (who, what, details)
  VALUES (SESSION_USER(), CONCAT('entered ', NEW.subject, '/', NEW.session), JSON_OBJECT('remark', NEW.remark));
END$$
CREATE DEFINER = 'lab_admin'@'localhost' TRIGGER IF NOT EXISTS session_changed BEFORE UPDATE ON session FOR EACH ROW
  SET NEW.entered = CURRENT_TIMESTAMP$$

CREATE FUNCTION IF NOT EXISTS session_label (animal varchar(16), number int) RETURNS varchar(64) CHARSET utf8mb4
  DETERMINISTIC SQL SECURITY INVOKER
  COMMENT 'a label; with a "quote" and größer'
  RETURN CONCAT('№ ', animal, '·', LPAD(number, 4, '0'))$$
CREATE DEFINER = 'lab_admin'@'localhost' PROCEDURE IF NOT EXISTS count_sessions (IN animal varchar(16), OUT found int)
  READS SQL DATA
BEGIN
  SELECT COUNT(*) INTO found FROM session WHERE subject = animal;
END$$
CREATE DEFINER = 'lab_admin'@'localhost' EVENT IF NOT EXISTS count_ticks ON SCHEDULE EVERY 1 MINUTE
  COMMENT 'a writer that is no client'
  DO INSERT INTO lab_session.tick VALUES (CURRENT_DATE, 1) ON DUPLICATE KEY UPDATE ticks = ticks + 1$$
DELIMITER ;

CREATE OR REPLACE VIEW session_overview AS
  SELECT subject, session, session_label(subject, session) AS label, session_datetime, LEFT(remark, 40) AS remark FROM session;

-- Across schemas, and on another view.
CREATE OR REPLACE DEFINER = 'lab_admin'@'localhost' SQL SECURITY INVOKER VIEW lab_imaging.mask_overview AS
  SELECT o.label, s.species, s.sex, COUNT(m.mask) AS masks
  FROM lab_session.session_overview o
  JOIN lab_subject.subject s ON s.subject = o.subject
  LEFT JOIN lab_imaging.__segmentation__mask m ON m.subject = o.subject AND m.session = o.session
  GROUP BY o.label, s.species, s.sex;
CREATE OR REPLACE VIEW lab_subject.`übersicht` AS
  SELECT species, COUNT(*) AS `Anzahl Tiere` FROM lab_subject.subject GROUP BY species;

GRANT SELECT ON lab_subject.subject TO 'liam.o''brien'@'%.lab.example';
GRANT SELECT (subject, session), UPDATE (remark) ON lab_session.session TO 'liam.o''brien'@'%.lab.example';
GRANT EXECUTE ON PROCEDURE lab_session.count_sessions TO 'liam.o''brien'@'%.lab.example';
