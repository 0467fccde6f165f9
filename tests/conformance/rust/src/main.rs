//! The walk of a Rust program through the AWS SDK. It prints one line when every assertion held.

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    DataKeySpec, EncryptionAlgorithmSpec, GrantConstraints, GrantOperation, KeyAgreementAlgorithmSpec,
    KeySpec, KeyState, KeyUsageType, MacAlgorithmSpec, MessageType, SigningAlgorithmSpec,
};
use aws_sdk_kms::{Client, Config};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};
use std::env::var;

type Failure = Box<dyn std::error::Error>;

async fn key(kms: &Client, spec: KeySpec, usage: KeyUsageType) -> Result<(String, String), Failure> {
    let made = kms.create_key().key_spec(spec).key_usage(usage).send().await?;
    let metadata = made.key_metadata.expect("metadata");
    assert_eq!(metadata.key_state, Some(KeyState::Enabled));
    assert!(metadata.creation_date.is_some());
    Ok((metadata.key_id, metadata.arn.expect("ARN")))
}

async fn encryption(kms: &Client) -> Result<(), Failure> {
    let (id, arn) = key(kms, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await?;
    let context = [("tenant", "blau"), ("größe", "ä ß 漢字")];
    let mut sealing = kms.encrypt().key_id(&id).plaintext(Blob::new("hello"));
    for (name, value) in context {
        sealing = sealing.encryption_context(name, value);
    }
    let sealed = sealing.send().await?.ciphertext_blob.expect("blob");
    let mut opening = kms.decrypt().ciphertext_blob(sealed.clone());
    for (name, value) in context {
        opening = opening.encryption_context(name, value);
    }
    let opened = opening.send().await?;
    assert_eq!(opened.plaintext.expect("plaintext").as_ref(), b"hello");
    assert_eq!(opened.key_id.as_deref(), Some(arn.as_str()));

    let refused = kms.decrypt().ciphertext_blob(sealed).send().await.expect_err("no context");
    assert!(refused.request_id().is_some());
    assert_eq!(refused.raw_response().expect("answer").status().as_u16(), 400);
    assert!(refused.into_service_error().is_invalid_ciphertext_exception());
    let none = kms.describe_key().key_id("alias/none").send().await.expect_err("no alias");
    assert!(none.into_service_error().is_not_found_exception());
    let dry = kms.encrypt().key_id(&id).plaintext(Blob::new("x")).dry_run(true).send().await;
    assert!(dry.expect_err("dry").into_service_error().is_dry_run_operation_exception());

    let data_key = kms.generate_data_key().key_id(&arn).key_spec(DataKeySpec::Aes256).send().await?;
    let again = kms.decrypt().ciphertext_blob(data_key.ciphertext_blob.expect("blob")).send().await?;
    assert_eq!(again.plaintext, data_key.plaintext);

    kms.create_alias().alias_name("alias/rust").target_key_id(&id).send().await?;
    let by_alias = kms.describe_key().key_id("alias/rust").send().await?;
    assert_eq!(by_alias.key_metadata.expect("metadata").key_id, id);
    kms.disable_key().key_id(&id).send().await?;
    let disabled = kms.encrypt().key_id(&id).plaintext(Blob::new("x")).send().await;
    assert!(disabled.expect_err("disabled").into_service_error().is_disabled_exception());
    let deletion = kms.schedule_key_deletion().key_id(&id).pending_window_in_days(7).send().await?;
    assert_eq!(deletion.key_state, Some(KeyState::PendingDeletion));
    Ok(())
}

async fn asymmetric(kms: &Client) -> Result<(), Failure> {
    let message = b"signed for Rust";
    let (id, _) = key(kms, KeySpec::EccNistP256, KeyUsageType::SignVerify).await?;
    let signing = SigningAlgorithmSpec::EcdsaSha256;
    let signed = kms
        .sign()
        .key_id(&id)
        .message(Blob::new(message))
        .message_type(MessageType::Raw)
        .signing_algorithm(signing.clone())
        .send()
        .await?
        .signature
        .expect("signature");
    let public_key = kms.get_public_key().key_id(&id).send().await?.public_key.expect("key");
    let verifying = VerifyingKey::from_public_key_der(public_key.as_ref())?;
    let signature = Signature::from_der(signed.as_ref())?;
    verifying.verify(message, &signature)?;
    assert!(verifying.verify(b"other", &signature).is_err());
    let other = kms
        .verify()
        .key_id(&id)
        .message(Blob::new("other"))
        .signature(signed)
        .signing_algorithm(signing)
        .send()
        .await;
    assert!(other.expect_err("other").into_service_error().is_kms_invalid_signature_exception());

    let (id, _) = key(kms, KeySpec::EccNistP256, KeyUsageType::KeyAgreement).await?;
    let ours = p256::SecretKey::from_slice(&[7; 32])?;
    let agreed = kms
        .derive_shared_secret()
        .key_id(&id)
        .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
        .public_key(Blob::new(ours.public_key().to_public_key_der()?.into_vec()))
        .send()
        .await?;
    let theirs = kms.get_public_key().key_id(&id).send().await?.public_key.expect("key");
    let theirs = p256::PublicKey::from_public_key_der(theirs.as_ref())?;
    let expected = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    assert_eq!(agreed.shared_secret.expect("secret").as_ref(), expected.raw_secret_bytes().as_slice());

    let (id, _) = key(kms, KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac).await?;
    let algorithm = MacAlgorithmSpec::HmacSha256;
    let making = kms.generate_mac().key_id(&id).message(Blob::new(message));
    let mac = making.mac_algorithm(algorithm.clone()).send().await?.mac.expect("MAC");
    let verifying = kms.verify_mac().key_id(&id).message(Blob::new(message)).mac(mac.clone());
    assert!(verifying.mac_algorithm(algorithm.clone()).send().await?.mac_valid);
    let verifying = kms.verify_mac().key_id(&id).message(Blob::new("other")).mac(mac);
    let other = verifying.mac_algorithm(algorithm).send().await.expect_err("other");
    assert!(other.into_service_error().is_kms_invalid_mac_exception());

    let (id, _) = key(kms, KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt).await?;
    let algorithm = EncryptionAlgorithmSpec::RsaesOaepSha256;
    let sealing = kms.encrypt().key_id(&id).plaintext(Blob::new(message));
    let sealed = sealing.encryption_algorithm(algorithm.clone()).send().await?.ciphertext_blob.expect("blob");
    let opening = kms.decrypt().key_id(&id).ciphertext_blob(sealed);
    let opened = opening.encryption_algorithm(algorithm).send().await?.plaintext.expect("plaintext");
    assert_eq!(opened.as_ref(), message);
    Ok(())
}

async fn many(kms: &Client) -> Result<(), Failure> {
    let (id, _) = key(kms, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await?;
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..200 {
        let (kms, id) = (kms.clone(), id.clone());
        calls.spawn(async move {
            let plaintext = Blob::new(format!("{at}"));
            let sealed = kms.encrypt().key_id(id).plaintext(plaintext.clone()).send().await.expect("sealed");
            let opening = kms.decrypt().ciphertext_blob(sealed.ciphertext_blob.expect("blob"));
            assert_eq!(opening.send().await.expect("opened").plaintext, Some(plaintext));
        });
    }
    calls.join_all().await;

    let mut found = Vec::new();
    let mut pages = kms.list_keys().into_paginator().page_size(2).send();
    while let Some(page) = pages.next().await {
        found.extend(page?.keys.unwrap_or_default().into_iter().filter_map(|entry| entry.key_id));
    }
    assert!(found.contains(&id));
    Ok(())
}

/// The server allows one GetKeyLastUsage a second.
async fn throttled(kms: &Client, once: &Client) -> Result<(), Failure> {
    let (id, _) = key(kms, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await?;
    let mut codes = Vec::new();
    for _ in 0..4 {
        if let Err(error) = once.get_key_last_usage().key_id(&id).send().await {
            codes.push(error.code().map(str::to_owned));
        }
    }
    assert!(!codes.is_empty());
    assert!(codes.iter().all(|code| code.as_deref() == Some("ThrottlingException")), "{codes:?}");
    kms.get_key_last_usage().key_id(&id).send().await?;
    Ok(())
}

async fn replicas(kms: &Client, elsewhere: &Client) -> Result<(), Failure> {
    let made = kms.create_key().multi_region(true).send().await?.key_metadata.expect("metadata");
    let id = made.key_id;
    kms.replicate_key().key_id(&id).replica_region("us-east-1").send().await?;
    let sealed = kms.encrypt().key_id(&id).plaintext(Blob::new("far")).send().await?;
    let enabled = Some(KeyState::Enabled);
    while elsewhere.describe_key().key_id(&id).send().await?.key_metadata.expect("metadata").key_state
        != enabled
    {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let opening = elsewhere.decrypt().key_id(&id).ciphertext_blob(sealed.ciphertext_blob.expect("blob"));
    let opened = opening.send().await?;
    assert_eq!(opened.plaintext.expect("plaintext").as_ref(), b"far");
    assert!(opened.key_id.expect("ARN").starts_with("arn:aws:kms:us-east-1:"));
    Ok(())
}

async fn grants(kms: &Client, user: &Client) -> Result<(), Failure> {
    let (id, arn) = key(kms, KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt).await?;
    let asked = |tenant| {
        let asking = user.encrypt().key_id(&arn).plaintext(Blob::new("x"));
        asking.encryption_context("tenant", tenant)
    };
    let denied = asked("blau").send().await.expect_err("nobody allowed it");
    assert!(matches!(&denied, SdkError::ServiceError(_)));
    assert_eq!(denied.code(), Some("AccessDeniedException"));
    let granted = kms
        .create_grant()
        .key_id(&id)
        .grantee_principal(var("USER_ARN")?)
        .operations(GrantOperation::Encrypt)
        .constraints(GrantConstraints::builder().encryption_context_equals("tenant", "blau").build())
        .send()
        .await?;
    let token = granted.grant_token.expect("token");
    asked("blau").grant_tokens(&token).send().await?;
    let other = asked("rot").grant_tokens(&token).send().await.expect_err("another context");
    assert_eq!(other.code(), Some("AccessDeniedException"));
    kms.revoke_grant().key_id(&id).grant_id(granted.grant_id.expect("id")).send().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let shared = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let settings = || Config::from(&shared).to_builder();
    let patient = RetryConfig::standard().with_max_attempts(10);
    let kms = Client::from_conf(settings().retry_config(patient).build());
    let once = Client::from_conf(settings().retry_config(RetryConfig::disabled()).build());
    let elsewhere = Client::from_conf(settings().region(Region::new("us-east-1")).build());
    let (id, secret) = (var("USER_ACCESS_KEY_ID")?, var("USER_SECRET_ACCESS_KEY")?);
    let user = Credentials::new(id, secret, None, None, "test");
    let user = Client::from_conf(settings().credentials_provider(user).build());

    encryption(&kms).await?;
    asymmetric(&kms).await?;
    many(&kms).await?;
    throttled(&kms, &once).await?;
    replicas(&kms, &elsewhere).await?;
    grants(&kms, &user).await?;
    println!("every assertion held");
    Ok(())
}
