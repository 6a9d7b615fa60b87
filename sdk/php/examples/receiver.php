<?php
// A receiver in plain PHP:
// DIALECT=standard WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:3000 receiver.php
require __DIR__ . '/../autoload.php'; // with Composer: vendor/autoload.php

try {
    $hook = new Malote\Webhook(getenv('WEBHOOK_SECRET'), getenv('DIALECT'));
    $event = $hook->unwrap(getallheaders(), file_get_contents('php://input'));
    error_log("event $event->id $event->type " . json_encode($event->data)); // take each id once, and do the work later
    http_response_code(204);
} catch (Malote\VerificationException $e) {
    error_log($e->getMessage()); // why, for you; the sender sees 401 only
    http_response_code(401);
}
